package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/phasedb/phased/expand/plan"
)

// sync makes the triggers of a table what the step wants, from the pairs in flight now:
// what is missing is created, then what is too much is dropped. At no instant is there
// less than before or after; a crash in between leaves both, and the next run goes on.
func (e *Engine) sync(ctx context.Context, c querier, s plan.SyncStep) error {
	links, err := e.links(ctx, c, s.Table)
	if err != nil {
		return err
	}
	if err := checkLinks(s, links); err != nil {
		return err
	}
	after := s.Apply(links)
	have, err := triggers(ctx, c, s.Table)
	if err != nil {
		return err
	}
	want := triggerNames(s.Table, after)
	for i, create := range e.Compose("", s.Table, after) {
		if slices.Contains(have, want[i]) {
			continue
		}
		if err := ddl(ctx, c, create); err != nil {
			return err
		}
	}
	for _, name := range updatesFirst(have) {
		if slices.Contains(want, name) {
			continue
		}
		if err := ddl(ctx, c, "DROP TRIGGER IF EXISTS "+ident(name)); err != nil {
			return err
		}
	}
	return nil
}

// triggers lists ours on a table.
func triggers(ctx context.Context, q querier, table string) ([]string, error) {
	names, err := list(ctx, q, `SELECT TRIGGER_NAME FROM information_schema.TRIGGERS
		WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = ? AND TRIGGER_NAME LIKE 'phased~%' ORDER BY TRIGGER_NAME`, table)
	if err != nil {
		return nil, fmt.Errorf("look at the sync of %s: %w", table, err)
	}
	return names, nil
}

// checkLinks refuses to hide what is not in flight, and a column that an earlier change
// in flight still writes to: its old side would lose those writes. The way back is
// always open: a pair that has not come to be in flight is not in the sync.
func checkLinks(s plan.SyncStep, links []plan.Link) error {
	id := s.Hide
	if s.To == plan.NameHidden {
		id = s.Swap
	}
	if id == "" {
		return nil
	}
	i := slices.IndexFunc(links, func(l plan.Link) bool { return l.ID == id })
	if i < 0 {
		return fmt.Errorf("%s is not among the pairs in flight on %s", id, s.Table)
	}
	for _, l := range links {
		if l.ID != id && l.New == links[i].Show().Old {
			return fmt.Errorf("hide %s of %s: migration %s still keeps it in step with %s; contract that one first", l.New, s.Table, l.Migration, l.Old)
		}
	}
	return nil
}

// recordSync records what is in flight once the step is done.
func recordSync(ctx context.Context, c querier, s plan.SyncStep) error {
	exec := func(statement string, args ...any) error {
		_, err := c.ExecContext(ctx, statement, args...)
		return err
	}
	switch {
	case s.Add != nil:
		link, err := json.Marshal(s.Add)
		if err != nil {
			return err
		}
		// Deleted first: the newest change is the last one in order.
		if err := exec("DELETE FROM phased_link WHERE id = ?", s.Add.ID); err != nil {
			return err
		}
		return exec("INSERT INTO phased_link (id, migration, table_name, link) VALUES (?, ?, ?, ?)", s.Add.ID, s.Add.Migration, s.Table, string(link))
	case s.Remove != "":
		return exec("DELETE FROM phased_link WHERE id = ?", s.Remove)
	case s.Swap != "":
		return recordSwap(ctx, c, s.Swap, s.To)
	case s.Hide != "":
		if err := exec("UPDATE phased_link SET hidden = 1 WHERE id = ?", s.Hide); err != nil {
			return err
		}
		return recordSwap(ctx, c, s.Hide, "")
	case s.Show != "":
		if err := exec("UPDATE phased_link SET hidden = 0 WHERE id = ?", s.Show); err != nil {
			return err
		}
		return recordSwap(ctx, c, s.Show, "")
	}
	return nil
}

// recordSwap records which name a pair's old column is about to get, "" none. Whoever
// composes the table's sync meanwhile, for another change, keeps both names in it.
func recordSwap(ctx context.Context, c querier, id string, to plan.NameTo) error {
	var raw []byte
	err := c.QueryRowContext(ctx, "SELECT link FROM phased_link WHERE id = ? FOR UPDATE", id).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	var l plan.Link
	if err := json.Unmarshal(raw, &l); err != nil {
		return err
	}
	l.Swap = to
	if raw, err = json.Marshal(l); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, "UPDATE phased_link SET link = ? WHERE id = ?", string(raw), id)
	return err
}
