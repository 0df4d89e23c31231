package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// syncChange is what a step does to a table: its statements, with the sync composed
// from every pair in flight in their place, and the records of what is in flight then.
type syncChange struct {
	statements, records []string
}

// sync composes a step's sync from what is in flight now. That was read before the
// step's transaction, so the first record is the question whether it still holds.
func (e *Engine) sync(ctx context.Context, s plan.Step) (*syncChange, error) {
	if s.Sync == nil {
		return &syncChange{statements: s.Statements}, nil
	}
	now := *s.Sync
	links, raw, err := e.links(ctx, now.Schema, now.Table)
	if err != nil {
		return nil, err
	}
	if err := checkLinks(now, links); err != nil {
		return nil, err
	}
	now.Composed = e.Compose(now.Schema, now.Table, now.Apply(links))
	s.Sync = &now
	c := &syncChange{statements: s.All()}
	c.record(do(fmt.Sprintf("  IF (%s) IS DISTINCT FROM %s THEN %s; END IF;\n", fmt.Sprintf(rawLinksSQL, literal(now.Schema), literal(now.Table)), literal(raw),
		raise("40001", literal("what is kept in step on "+now.Schema+"."+now.Table+" has changed meanwhile, try again")))))
	switch {
	case now.Add != nil:
		link, err := json.Marshal(now.Add)
		if err != nil {
			return nil, err
		}
		// Deleted first: the newest change is the last one in order.
		c.record("DELETE FROM phased.link WHERE id = %s", now.Add.ID)
		c.record("INSERT INTO phased.link (id, migration, schema_name, table_name, link) VALUES (%s, %s, %s, %s, %s)", now.Add.ID, now.Add.Migration, now.Schema, now.Table, string(link))
	case now.Remove != "":
		c.record("DELETE FROM phased.link WHERE id = %s", now.Remove)
	case now.Hide != "":
		c.record("UPDATE phased.link SET hidden = true WHERE id = %s", now.Hide)
	case now.Show != "":
		c.record("UPDATE phased.link SET hidden = false WHERE id = %s", now.Show)
	}
	return c, nil
}

// record adds a statement whose parameters are text.
func (c *syncChange) record(format string, args ...string) {
	if len(args) > 0 {
		quoted := make([]any, len(args))
		for i, a := range args {
			quoted[i] = literal(a)
		}
		format = fmt.Sprintf(format, quoted...)
	}
	c.records = append(c.records, format)
}

// checkLinks refuses to hide or show what is not in flight, and to hide a column that
// an earlier change in flight still writes to: its old side would lose those writes.
func checkLinks(s plan.SyncStep, links []plan.Link) error {
	id := s.Hide + s.Show
	if id == "" {
		return nil
	}
	var mine *plan.Link
	for i := range links {
		if links[i].ID == id {
			mine = &links[i]
		}
	}
	if mine == nil {
		return fmt.Errorf("%s is not among the pairs in flight on %s.%s", id, s.Schema, s.Table)
	}
	for _, l := range links {
		if s.Hide != "" && l.ID != id && l.New == mine.Old {
			return fmt.Errorf("hide %s of %s.%s: migration %s still keeps it in step with %s; contract that one first", mine.Old, s.Schema, s.Table, l.Migration, l.Old)
		}
	}
	return nil
}

// rawLinksSQL gives the pairs of one table as text, to compare.
const rawLinksSQL = `SELECT coalesce(string_agg(concat_ws(' ', position, hidden, link), E'\n' ORDER BY position), '') FROM phased.link WHERE schema_name = %s AND table_name = %s`

// links reads the pairs of a table, and the text that tells whether they have changed.
func (e *Engine) links(ctx context.Context, schemaName, table string) ([]plan.Link, string, error) {
	var raw string
	if err := e.db.QueryRowContext(ctx, fmt.Sprintf(rawLinksSQL, "$1", "$2"), schemaName, table).Scan(&raw); err != nil {
		return nil, "", privilege(err, "read what is kept in step")
	}
	var out []plan.Link
	for _, line := range strings.Split(raw, "\n") {
		if line == "" {
			continue
		}
		part := strings.SplitN(line, " ", 3)
		var l plan.Link
		if err := json.Unmarshal([]byte(part[2]), &l); err != nil {
			return nil, "", fmt.Errorf("read what is kept in step: %w", err)
		}
		if part[1] == "t" {
			l = l.Hide()
		}
		out = append(out, l)
	}
	return out, raw, nil
}
