package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/schema"
)

var _ engine.Witness = (*Engine)(nil)

// inFlight gives the plan's pairs under their present names, which hiding moves away
// from those in the plan. Before the plan has begun and after it has ended there are none.
func (e *Engine) inFlight(ctx context.Context, q querier, p *plan.Plan) ([]plan.Link, error) {
	all, err := e.links(ctx, q, "")
	return slices.DeleteFunc(all, func(l plan.Link) bool { return l.Migration != p.Migration.Name }), err
}

// Dependents lists what removing the old side of the plan would break.
func (e *Engine) Dependents(ctx context.Context, p *plan.Plan) (out []schema.Dependent, err error) {
	err = e.look(ctx, "list what depends on the old side of "+p.Migration.Name, func(c *sql.Conn) error {
		out = nil
		seen := map[schema.Dependent]bool{}
		add := func(found []schema.Dependent, err error) error {
			for _, d := range found {
				if key := (schema.Dependent{Kind: d.Kind, Name: d.Name}); !seen[key] && !own(p, d) {
					seen[key] = true
					out = append(out, d)
				}
			}
			return err
		}
		links, err := e.inFlight(ctx, c, p)
		if err != nil {
			return err
		}
		for _, l := range links {
			if err := add(e.dependents(ctx, c, l.Table, l.Old)); err != nil {
				return err
			}
		}
		for _, s := range p.Migration.Statements {
			switch x := s.Change.(type) {
			case plan.DropColumn:
				for _, column := range []string{x.Column, hiddenName(p, x.Column)} {
					if column == "" {
						continue
					}
					if err := add(e.dependents(ctx, c, x.Table, column)); err != nil {
						return err
					}
				}
			case plan.RenameTable:
				// Foreign keys and triggers follow the table; what names it does not.
				if err := add(e.viewsOn(ctx, c, x.From, "")); err != nil {
					return err
				}
				if err := add(e.bodiesOn(ctx, c, x.From, "")); err != nil {
					return err
				}
			}
		}
		for i := range out {
			out[i].Blocks = true
		}
		return nil
	})
	return out, err
}

// hiddenName reads from the plan's own steps under which name a column without a
// pair is hidden.
func hiddenName(p *plan.Plan, column string) string {
	rename := " RENAME COLUMN " + ident(column) + " TO `"
	for _, s := range p.Of(plan.PhaseHide) {
		for _, text := range s.Statements {
			if _, rest, ok := strings.Cut(text, rename); ok {
				rest = "`" + rest
				return strings.ReplaceAll(rest[1:quotedLen(rest)-1], "``", "`")
			}
		}
	}
	return ""
}

// own reports what the plan itself takes care of: the view under which a renamed
// table goes meanwhile.
func own(p *plan.Plan, d schema.Dependent) bool {
	name, _, _ := strings.Cut(d.Name, " (")
	for _, s := range p.Migration.Statements {
		if c, ok := s.Change.(plan.RenameTable); ok && d.Kind == "view" && (name == c.From || name == c.To || strings.HasPrefix(name, c.To+"~")) {
			return true
		}
	}
	return false
}

// preparedWait is for how long a transaction has to stay prepared before it counts: one
// that its coordinator is about to end stays so for an instant.
const preparedWait = 2 * time.Second

// Prepared lists the server's XA transactions that stay prepared. Which tables they hold
// cannot be told; those that they hold keep DDL out, also after a crash of the server, so
// none from before a change is left once the change has begun. On MySQL the question
// takes XA_RECOVER_ADMIN: without it there is no answer, and the DDL that would have
// to wait says so.
func (e *Engine) Prepared(ctx context.Context, _ *plan.Plan) (out []string, err error) {
	err = e.look(ctx, "look for prepared transactions", func(c *sql.Conn) error {
		out, err = leftPrepared(ctx, c)
		return err
	})
	return out, err
}

// leftPrepared gives those that are there for a while. An account that may not ask is
// told of none.
func leftPrepared(ctx context.Context, c querier) ([]string, error) {
	before, err := prepared(ctx, c)
	if number(err) == errMayNotRecover {
		return nil, nil
	}
	if err != nil || len(before) == 0 {
		return nil, err
	}
	if err := poll(ctx, preparedWait); err != nil {
		return nil, err
	}
	after, err := prepared(ctx, c)
	return slices.DeleteFunc(after, func(x string) bool { return !slices.Contains(before, x) }), err
}

// errMayNotRecover is what MySQL says to an account without XA_RECOVER_ADMIN.
const errMayNotRecover = 1401

// prepared lists XA transactions in the form that XA COMMIT and XA ROLLBACK take.
func prepared(ctx context.Context, c querier) ([]string, error) {
	return records(ctx, c, func(r *sql.Rows) (string, error) {
		var format, global, branch int
		var data []byte
		if err := r.Scan(&format, &global, &branch, &data); err != nil {
			return "", err
		}
		if global+branch > len(data) {
			return "", fmt.Errorf("an XA transaction of %d bytes says that it has %d", len(data), global+branch)
		}
		return fmt.Sprintf("%s,%s,%d", xid(data[:global]), xid(data[global:global+branch]), format), nil
	}, "XA RECOVER")
}

// xid writes a part of an XA transaction's name: as text where it is plain.
func xid(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' || c == '\'' || c == '\\' {
			return fmt.Sprintf("X'%x'", b)
		}
	}
	return "'" + string(b) + "'"
}

// FirstContract reports whether no old side was ever hidden here, and which
// applications have registered so far.
func (e *Engine) FirstContract(ctx context.Context) (first bool, apps []string, err error) {
	err = e.look(ctx, "ask whether anything was contracted before", func(c *sql.Conn) error {
		if err := c.QueryRowContext(ctx, "SELECT NOT EXISTS (SELECT 1 FROM phased_migration WHERE hidden_at IS NOT NULL)").Scan(&first); err != nil {
			return err
		}
		apps, err = list(ctx, c, "SELECT DISTINCT app FROM phased_instance ORDER BY app")
		return err
	})
	return first, apps, err
}
