package contract

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// The gates that protect data. Nothing skips them.

func backfillGate(ctx context.Context, s *subject) (Gate, error) {
	if !s.row.Fills {
		return met("there is nothing to fill")
	}
	fills, err := s.eng.Fills(ctx)
	if err != nil {
		return Gate{}, err
	}
	var not []string
	n := 0
	for _, f := range fills {
		if f.Migration != s.row.Name {
			continue
		}
		n++
		if f.State != engine.FillComplete || f.Poison > 0 {
			text := fmt.Sprintf("the backfill of %s.%s is %s", f.Spec.Table, f.Spec.Link.New, f.State)
			if f.Poison > 0 {
				text += fmt.Sprintf(", %s could not be written", count(int(f.Poison), "row"))
			}
			if f.LastError != "" {
				text += " (" + f.LastError + ")"
			}
			not = append(not, text)
		}
	}
	if len(not) > 0 || n == 0 {
		return unmet("run backfill.Work in a replica, or `phased backfill`; mend the rows that it names", "%s", orNone(not))
	}
	return met("%s complete", count(n, "backfill"))
}

func syncGate(ctx context.Context, s *subject) (Gate, error) {
	h, err := s.eng.Health(ctx, s.p)
	if err != nil {
		return Gate{}, err
	}
	if !h.OK {
		return unmet(h.Way, "%s", h.Problem)
	}
	return met("both sides are kept in step by an unaltered trigger")
}

func validGate(ctx context.Context, s *subject) (Gate, error) {
	list, err := s.eng.Invalid(ctx, s.p)
	if err != nil {
		return Gate{}, err
	}
	if len(list) > 0 {
		way := "let the backfill's run finish it; make what is missing on the new side"
		if s.eng.Dialect() == plan.DialectPostgres {
			way = "let the backfill's run finish it; rebuild an invalid index with REINDEX INDEX CONCURRENTLY, validate a constraint with VALIDATE CONSTRAINT, make what is missing on the new side"
		}
		return unmet(way, "%s", strings.Join(list, "; "))
	}
	return met("every index and constraint of the new side is valid")
}

func dependentsGate(ctx context.Context, s *subject) (Gate, error) {
	list, err := s.eng.Dependents(ctx, s.p)
	if err != nil {
		return Gate{}, err
	}
	var blocks, goes []string
	byWords := false
	for _, d := range list {
		text := d.Kind + " " + d.Name
		if d.Blocks {
			blocks = append(blocks, text)
			byWords = byWords || foundByWords(s.eng.Dialect(), d.Kind)
		} else {
			goes = append(goes, text)
		}
	}
	if len(blocks) > 0 {
		way := "make them use the new side, or drop them"
		if byWords {
			way += "; what means something else by these words says so in its body: /* phased:ignore */"
		}
		return unmet(way, "these need the old side: %s", strings.Join(blocks, ", "))
	}
	if len(goes) > 0 {
		return met("nothing would break; with the old side go: %s", strings.Join(goes, ", "))
	}
	return met("nothing else needs the old side")
}

func preparedGate(ctx context.Context, s *subject) (Gate, error) {
	list, err := s.eng.Prepared(ctx, s.p)
	if err != nil {
		return Gate{}, err
	}
	if s.eng.Dialect() == plan.DialectPostgres {
		if len(list) > 0 {
			return unmet("COMMIT PREPARED or ROLLBACK PREPARED them", "prepared transactions hold a lock on the table: %s", strings.Join(list, ", "))
		}
		return met("no prepared transaction holds a lock")
	}
	if len(list) > 0 {
		return unmet("XA COMMIT or XA ROLLBACK them", "transactions stay prepared, on which tables cannot be told: %s", strings.Join(list, "; "))
	}
	return met("no transaction that this account may see stays prepared; one that holds the table would keep the steps waiting")
}

// foundByWords reports kinds of dependents that are found by the words in their bodies.
func foundByWords(d plan.Dialect, kind string) bool {
	switch kind {
	case "function":
		return true
	case "procedure", "trigger", "event":
		return d != plan.DialectPostgres
	}
	return false
}

// verificationGate counts the rows out of step, all of them, now. It reads whole
// tables and blocks nobody.
func verificationGate(ctx context.Context, s *subject) (Gate, error) {
	if len(s.links) == 0 {
		if n := len(s.p.Links()); n > 0 {
			return unmet("see the gate sync", "none of %s is kept in step", count(n, "pair"))
		}
		return met("no columns are kept in step")
	}
	if until, ok := s.rest[s.row.Name]; ok && time.Now().Before(until) {
		return unmet("mend the rows; it is counted again within the hour, or at once by Run and Check", "rows were out of step at the last count")
	}
	for _, l := range s.links {
		table := plan.Name{Schema: l.Schema, Name: l.Table}
		n, err := s.eng.OutOfStep(ctx, l)
		if err != nil {
			return Gate{}, fmt.Errorf("count the rows of %s out of step: %w", table, err)
		}
		if n > 0 {
			if s.rest != nil {
				s.rest[s.row.Name] = time.Now().Add(restAfterRefusal)
			}
			return unmet("look at those rows first, and see how the sync was got around (gate sync); where the old side is right, any UPDATE of the row carries it over; where the new side is right, write its value into both",
				"%s of %s out of step: %s and %s disagree", count(int(n), "row"), table, l.Old, l.New)
		}
	}
	return met("every row of %s is in step", count(len(s.links), "pair"))
}
