package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// savepoint runs fn and takes back what it did, so that an error in it does not
// spoil the transaction.
func savepoint(ctx context.Context, tx *sql.Tx, fn func() error) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT phased_try"); err != nil {
		return err
	}
	err := fn()
	if _, back := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT phased_try; RELEASE SAVEPOINT phased_try"); back != nil {
		return back
	}
	return err
}

// fireOnce puts the sync on the empty copy and fires it on a real row of the table
// (or an empty one), so that what cannot work is found now and not by a user's
// statement.
func (r *resolver) fireOnce(ctx context.Context, s *subject, l plan.Link) error {
	err := savepoint(ctx, r.tx, func() error {
		try := l
		try.Evidence = "" // does not exist yet
		run := []string{
			fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", s.copy.name, ident(l.New), l.Type),
		}
		run = append(run, carryFunctions(l)...)
		run = append(run,
			fmt.Sprintf("CREATE FUNCTION pg_temp.phased_sync() RETURNS trigger LANGUAGE plpgsql AS %s", dollar(syncBody([]plan.Link{try}))),
			fmt.Sprintf("CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s FOR EACH ROW%s EXECUTE FUNCTION pg_temp.phased_sync()", ident(syncTrigger), s.copy.name, syncWhen([]plan.Link{try})),
		)
		// An earlier rename of this file has been done on the copy already.
		var from, into []string
		for _, c := range s.Columns {
			name := c.Name
			if to := s.renamed[name]; to != "" {
				name = to
			}
			if c.Generated == "" {
				from, into = append(from, ident(c.Name)), append(into, ident(name))
			}
			if c.NotNull && c.Identity == "" {
				run = append(run, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", s.copy.name, ident(name)))
			}
		}
		for _, k := range s.Constraints {
			if k.Kind == "primary key" {
				// its copy has a name of the server's choosing, and keeps its columns NOT NULL
				run = append([]string{fmt.Sprintf("DO $do$ BEGIN EXECUTE (SELECT 'ALTER TABLE %s DROP CONSTRAINT ' || quote_ident(conname) FROM pg_constraint WHERE conrelid = %d AND contype = 'p'); END $do$", s.copy.name, s.copy.oid)}, run...)
			}
			if k.Kind == "check" {
				run = append(run, fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", s.copy.name, ident(k.Name)))
			}
		}
		run = append(run,
			fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s LIMIT 1", s.copy.name, strings.Join(into, ", "), strings.Join(from, ", "), s.sql()),
			fmt.Sprintf("UPDATE %s SET %s = NULL", s.copy.name, ident(l.New)),
			fmt.Sprintf("INSERT INTO %s (%s) VALUES (NULL)", s.copy.name, ident(l.Old)))
		// Our schema may not exist yet.
		temporary := strings.NewReplacer(upFunction(l), `pg_temp."phased up"`, downFunction(l), `pg_temp."phased down"`, stepFunction(l), `pg_temp."phased in step"`)
		for _, stmt := range run {
			if _, err := r.tx.ExecContext(ctx, temporary.Replace(stmt)); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err == nil:
	case code(err) == codeRefusedNew: // the trial's null is a value that new code could not write either
	case strings.HasPrefix(code(err), "23"): // a constraint of the table's own, which the trial's rows need not meet
	case code(err) == "":
		return fmt.Errorf("try the sync of %s on an empty copy: %w", s.sql(), err)
	default:
		r.problem("sync-trial", fmt.Sprintf("the sync of %s.%s and %s does not work on an empty copy of the table: %s", s.Name, l.Old, l.New, detail(err)), "see the message; a function or operator may be missing or misspelt")
	}
	return nil
}

// checkCarry checks the up and down expressions of a link: that they can be read,
// are not volatile, keep null as null, and for how many rows up fails.
func (r *resolver) checkCarry(ctx context.Context, s *subject, l plan.Link) error {
	ok := true
	for _, x := range []struct{ name, sql string }{{"up", up(l, "t."+ident(l.Old))}, {"down", down(l, "t."+ident(l.New))}} {
		source := fmt.Sprintf("(SELECT NULL::%s AS %s, NULL::%s AS %s) AS t", l.OldType, ident(l.Old), l.Type, ident(l.New))
		var volatile string
		err := savepoint(ctx, r.tx, func() error {
			if _, err := r.tx.ExecContext(ctx, fmt.Sprintf("CREATE TEMPORARY VIEW phased_expression AS SELECT %s AS value FROM %s", x.sql, source)); err != nil {
				return err
			}
			return r.tx.QueryRowContext(ctx, `SELECT coalesce(string_agg(DISTINCT p.oid::regprocedure::text, ', '), '')
				FROM pg_rewrite w, regexp_matches(w.ev_action::text, ':(?:funcid|opfuncid) (\d+)', 'g') m JOIN pg_proc p ON p.oid = m[1]::oid
				WHERE w.ev_class = 'pg_temp.phased_expression'::regclass AND p.provolatile = 'v'`).Scan(&volatile)
		})
		switch {
		case err != nil && code(err) == "":
			return err
		case err != nil:
			ok = false
			r.problem(x.name+"-expression", fmt.Sprintf("the %s expression of %s.%s cannot be used: %s", x.name, s.Name, l.New, detail(err)), "functions outside pg_catalog must be written with their schema: the sync does not depend on search_path")
		case volatile != "":
			ok = false
			r.problem(x.name+"-volatile", fmt.Sprintf("the %s expression of %s.%s calls %s, which is volatile: it could not be asked twice whether a row is in step", x.name, s.Name, l.New, volatile), "use immutable or stable functions only")
		}
	}
	if !ok {
		return nil
	}
	var null bool
	upDownNull := up(l, "("+down(l, "NULL::"+l.Type)+")")
	if err := savepoint(ctx, r.tx, func() error {
		return r.tx.QueryRowContext(ctx, "SELECT ("+upDownNull+") IS NULL").Scan(&null)
	}); err != nil {
		if code(err) == "" {
			return err
		}
		r.problem("null", fmt.Sprintf("up(down(NULL)) of %s.%s fails: %s", s.Name, l.New, detail(err)), "make the expressions keep null as null")
		return nil
	} else if !null {
		r.problem("null", fmt.Sprintf("up(down(NULL)) of %s.%s is not null: a row whose new side is null would count as filled", s.Name, l.New), "make the expressions keep null as null")
		return nil
	}
	var fails int64
	err := savepoint(ctx, r.tx, func() error {
		if _, err := r.tx.ExecContext(ctx, fmt.Sprintf("SET LOCAL statement_timeout = '60s'; CREATE FUNCTION pg_temp.phased_fails(%s) RETURNS boolean LANGUAGE plpgsql AS %s", l.OldType,
			dollar(fmt.Sprintf("\n#variable_conflict use_column\nBEGIN PERFORM %s; RETURN false; EXCEPTION WHEN %s THEN RETURN true; END ", up(l, "$1"), anyError)))); err != nil {
			return err
		}
		return r.tx.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM %s AS t WHERE pg_temp.phased_fails(t.%s)", s.sql(), ident(l.Old))).Scan(&fails)
	})
	switch {
	case code(err) == "57014":
		r.note("up-fails", fmt.Sprintf("whether the up expression fails for rows of %s could not be counted within a minute; the backfill reports them", s.Name))
	case err != nil:
		return fmt.Errorf("count the rows of %s for which up fails: %w", s.sql(), err)
	case fails > 0:
		r.hazard("up-fails", fmt.Sprintf("the up expression fails for %d rows of %s: they would stay out of step and contract shut", fails, s.Name), "mend the rows or the expression")
	}
	return r.fireOnce(ctx, s, l)
}
