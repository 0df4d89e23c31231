package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// checkExpressions refuses what a value that is not taken as it is cannot carry over.
func (r *resolver) checkExpressions(n *renaming) {
	if !expresses(n.l) {
		return
	}
	var bound []string
	if n.old.NotNull {
		bound = append(bound, "NOT NULL")
	}
	for _, x := range n.indexes() {
		if x.Unique {
			bound = append(bound, "unique index "+x.Name)
		}
	}
	for _, k := range n.foreignKeys() {
		bound = append(bound, "foreign key "+k.Name)
	}
	if len(bound) > 0 {
		r.problem("expression-and-constraint", fmt.Sprintf("%s.%s has up and down expressions and also %s: old code could be refused because of the new side", n.s.Name, n.l.Old, strings.Join(bound, ", ")),
			"constraints are carried over only where the value is taken as it is")
	}
	if !carriesExpressions(n.old.Type) {
		r.problem("expression-type", fmt.Sprintf("%s.%s has type %s, for which expressions cannot be used", n.s.Name, n.l.Old, n.old.Type), "rename it without up and down")
	}
}

// checkCarry tries the up and down expressions of a link: that they can be read, do not
// change by themselves, keep null as null, and that up fails for none of some rows.
func (r *resolver) checkCarry(ctx context.Context, s *subject, l plan.Link) error {
	before := len(r.problems)
	for _, x := range []struct{ name, expr, from, type_ string }{{"up", l.Up, l.Old, l.Type}, {"down", l.Down, l.New, l.OldType}} {
		if x.expr == "" {
			continue
		}
		// The column is the only name that there is, as in the triggers.
		query := fmt.Sprintf("SELECT /* phased */ %s FROM (SELECT %s AS %s FROM %s LIMIT 0) AS phased", typed(x.type_, "("+substitute(x.expr, x.from, "phased."+ident(x.from))+")"),
			ident(l.Old), ident(x.from), ident(s.copy.name))
		if _, err := list(ctx, r.c, query); err != nil {
			if number(err) == 0 {
				return fmt.Errorf("try the %s expression of %s.%s: %w", x.name, s.Name, l.New, err)
			}
			r.problem(x.name+"-expression", fmt.Sprintf("the %s expression of %s.%s cannot be used: %s", x.name, s.Name, l.New, message(err)), fmt.Sprintf("see the message; it may name the column %s and no other one", x.from))
			continue
		}
		what, err := r.changing(ctx, x.expr)
		if err != nil {
			return err
		}
		if what != "" {
			r.problem(x.name+"-volatile", fmt.Sprintf("the %s expression of %s.%s uses %s, which gives another value each time: it could not be asked twice whether a row is in step", x.name, s.Name, l.New, what), "use functions only whose value their arguments decide")
		}
	}
	if len(r.problems) > before {
		return errNoted
	}
	var null bool
	value := typed(l.Type, up(l, typed(l.OldType, down(l, "NULL"))))
	if err := r.c.QueryRowContext(ctx, "SELECT /* phased */ ("+value+") IS NULL").Scan(&null); err != nil && number(err) == 0 {
		return err
	} else if err != nil || !null {
		r.problem("null", fmt.Sprintf("up(down(NULL)) of %s.%s is not null: a row whose new side is null would count as filled", s.Name, l.New), "make the expressions keep null as null")
		return errNoted
	}
	return r.checkUp(ctx, s, l)
}

// changingWords are functions and variables whose value is another one each time, or in
// each session.
var changingWords = []string{"rand", "uuid", "uuid_short", "uuid_v4", "uuid_v7", "sys_guid", "random_bytes", "sleep", "benchmark", "sysdate", "now", "curdate", "curtime", "utc_date", "utc_time",
	"utc_timestamp", "unix_timestamp", "current_timestamp", "current_date", "current_time", "localtime", "localtimestamp", "current_user", "current_role", "session_user", "system_user", "user",
	"connection_id", "last_insert_id", "row_count", "found_rows", "database", "schema", "nextval", "lastval", "setval", "get_lock", "release_lock", "is_free_lock", "is_used_lock", "load_file", "select"}

// changing gives what of an expression changes by itself; "" nothing.
func (r *resolver) changing(ctx context.Context, expr string) (string, error) {
	bare := outsideQuotes(expr)
	if strings.Contains(bare, "@") {
		return "a variable", nil
	}
	for i := 0; i < len(bare); {
		if !wordByte(bare[i]) {
			i++
			continue
		}
		word, rest := leadingWord(bare[i:])
		i += len(word)
		lower := strings.ToLower(word)
		call := strings.HasPrefix(rest, "(")
		if slices.Contains(changingWords, lower) && (call || strings.HasPrefix(lower, "current_") || strings.HasPrefix(lower, "local") || strings.HasPrefix(lower, "utc_") || lower == "select") {
			return word, nil
		}
		if !call {
			continue
		}
		own, err := list(ctx, r.c, `SELECT /* phased */ ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_TYPE = 'FUNCTION' AND ROUTINE_NAME = ? AND IS_DETERMINISTIC = 'NO'`, word)
		if err != nil {
			return "", fmt.Errorf("look for function %s: %w", word, err)
		}
		if len(own) > 0 {
			return "function " + word + ", which is not declared DETERMINISTIC", nil
		}
	}
	return "", nil
}

// upRows is how many rows up is tried on beforehand.
const upRows = 1000

// checkUp tries up on some rows, by writing what it gives into a table that is dropped
// again: a query alone does not raise where a value does not fit.
func (r *resolver) checkUp(ctx context.Context, s *subject, l plan.Link) error {
	name := s.copy.name + "~up"
	defer func() { _, _ = r.c.ExecContext(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+ident(name)) }()
	_, err := r.c.ExecContext(ctx, fmt.Sprintf("CREATE TABLE %s (v %s NULL) ENGINE = InnoDB", ident(name), l.Type))
	if err == nil {
		_, err = r.c.ExecContext(ctx, fmt.Sprintf("INSERT /* phased */ INTO %s (v) SELECT %s FROM %s LIMIT %d", ident(name), fillValue(l, s.Name), s.sql(), upRows))
	}
	switch {
	case err == nil:
		return nil
	case r.e.RowError(err):
		r.hazard("up-fails", fmt.Sprintf("the up expression fails for a row among the first %d of %s: %s; such rows stay out of step and contract shut", upRows, s.Name, message(err)), "mend the rows or the expression")
		return nil
	}
	return fmt.Errorf("try the up expression of %s.%s on some rows: %w", s.Name, l.New, err)
}
