package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// course is one change's way through its phases. Each statement is tried on the copy
// before it becomes a step; what was tried is kept, to lead a second time to the point
// where the undo begins.
type course struct {
	r     *resolver
	s     *subject
	done  []func(ctx context.Context) error // on the copy, again
	links []plan.Link                       // as phased_link has them
	sync  []plan.Link                       // as the triggers were composed
}

// course begins a change: the copy has no triggers of an earlier one.
func (r *resolver) course(ctx context.Context, s *subject) (*course, error) {
	c := &course{r: r, s: s, links: r.linked(s)}
	for _, l := range r.p.Links() {
		if l.Table == s.Name {
			c.links = append(c.links, l)
		}
	}
	c.sync = c.links
	if err := s.copy.sync(ctx, nil); err != nil {
		return nil, fmt.Errorf("take the triggers off a copy of %s: %w", s.Name, err)
	}
	return c, nil
}

// run does something on the copy, now and when the course is gone again.
func (c *course) run(ctx context.Context, fn func(context.Context) error) error {
	c.done = append(c.done, fn)
	return fn(ctx)
}

// alter renders an ALTER TABLE in the best way that the copy shows. before are SET
// statements of the step's session.
func (c *course) alter(ctx context.Context, s plan.Step, clauses string, before ...string) error {
	var algorithm string
	err := c.run(ctx, func(ctx context.Context) (err error) {
		for _, set := range before {
			if _, err := c.r.c.ExecContext(ctx, set); err != nil {
				return err
			}
		}
		if algorithm == "" {
			algorithm, err = c.s.copy.alter(ctx, clauses)
		} else {
			err = c.s.copy.exec(ctx, alterText(clauses, algorithm))
		}
		if len(before) > 0 {
			if _, back := c.r.c.ExecContext(ctx, "SET SESSION foreign_key_checks = 1"); err == nil {
				err = back
			}
		}
		return err
	})
	if err != nil {
		return c.refused(s, clauses, err)
	}
	s.Statements = append(before, alterText(clauses, algorithm).real(c.s.Name))
	s.Relation = c.s.sql()
	s.StatementTimeout = 0
	if algorithm == algorithmInstant {
		s.StatementTimeout = statementTimeout
	}
	if algorithm == algorithmInPlace && strings.Contains(clauses, " COLUMN ") {
		c.r.note("rebuild", fmt.Sprintf("%q builds the table %s anew, beside the old one: writes go on, and it takes as long as the table is large", s.Title, c.s.Name))
	}
	c.r.step(s)
	return nil
}

// change renders a change of the sync.
func (c *course) change(ctx context.Context, s plan.Step) error {
	sync := *s.Sync
	sync.Table = c.s.Name
	before, after := c.sync, sync.Apply(c.links)
	sync.Composed = composeChange(c.s.Name, before, after)
	// Triggers make no difference to the copy's ALTERs; those that need something new of
	// the server are tried.
	if sync.Add != nil || sync.Swap != "" && s.Phase == plan.PhaseHide {
		// On the copy an earlier change of this file has been led to its end already.
		there := slices.DeleteFunc(slices.Clone(after), func(l plan.Link) bool {
			return l.Migration == c.r.m.Name && l.ID != fmt.Sprintf("%s/%d", c.r.m.Name, c.r.n)
		})
		if err := c.s.copy.sync(ctx, there); err != nil {
			return c.refused(s, "create the triggers", err)
		}
	}
	c.sync, c.links = after, after
	s.Sync, s.Relation, s.StatementTimeout = &sync, c.s.sql(), statementTimeout
	c.r.step(s)
	return nil
}

// again leads the copy from where the undo has brought it back to where the undo began.
func (c *course) again(ctx context.Context, until int) error {
	for _, fn := range c.done[:until] {
		if err := fn(ctx); err != nil {
			return fmt.Errorf("go through the change on a copy of %s once more: %w", c.s.Name, err)
		}
	}
	return nil
}

// andBack renders a change's one step of undo. On the copy the change stays done: the next
// one of the file may build on it.
func (c *course) andBack(ctx context.Context, s plan.Step, clauses string) error {
	until := len(c.done)
	if err := c.alter(ctx, s, clauses); err != nil {
		return err
	}
	return c.again(ctx, until)
}

// refused notes that the server does not take a step, on a copy of the table without
// rows and without traffic.
func (c *course) refused(s plan.Step, what string, err error) error {
	r := c.r
	var blocks *blocksError
	where := fmt.Sprintf("%s, of %s", s.Title, c.s.Name)
	switch {
	case errors.As(err, &blocks):
		r.problem("blocks-writes", fmt.Sprintf("%s: the server can do it only by blocking writes (%s)", where, message(blocks.err)), "not supported yet; mark the statement as-written if that is acceptable")
	case number(err) == 0 || r.e.LockTimeout(err) || r.e.Disconnected(err):
		return fmt.Errorf("try it on an empty copy: %s: %w", where, err)
	case triggerWay(err) != "":
		r.problem("trigger-privilege", fmt.Sprintf("%s: account %s may not create the triggers of the sync: %s", where, r.srv.Role, message(err)), triggerWay(err))
	case mayNot(err):
		r.problem("privilege", fmt.Sprintf("%s: account %s may not do it: %s", where, r.srv.Role, message(err)), r.grant())
	default:
		r.problem("trial", fmt.Sprintf("%s: the server refuses it on an empty copy of the table (%s): %s", where, plain(what), message(err)), "see the message")
	}
	return errNoted
}

// triggerWay is the way out of what forbids the triggers; "" where err is something else.
func triggerWay(err error) string {
	switch number(err) {
	case errBinlogUnsafe:
		return "SET GLOBAL log_bin_trust_function_creators = 1, or run migrations as an account with SUPER (MariaDB: BINLOG ADMIN) (the server writes a binary log and does not trust triggers of others)"
	case errTableAccess:
		if strings.HasPrefix(message(err), "TRIGGER") {
			return "GRANT TRIGGER on the database to it"
		}
	}
	return ""
}
