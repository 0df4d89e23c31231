package backfill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engines"
)

// State is where a backfill stands.
type State string

// The states. Waiting: no worker is at it. Finishing: every row was visited;
// indexes and constraints of the new side are made, and every row is checked.
// Poisoned: rows cannot be written, and it cannot be completed before they are mended.
const (
	StateWaiting   State = "waiting"
	StateRunning   State = "running"
	StateFinishing State = "finishing"
	StatePoisoned  State = "poisoned"
	StatePaused    State = "paused"
	StateComplete  State = "complete"
	StateCancelled State = "cancelled"
)

// Progress is where one backfill stands: the new column of one table.
type Progress struct {
	Migration string `json:"migration"`
	Schema    string `json:"schema"` // empty on MySQL and MariaDB
	Table     string `json:"table"`
	Column    string `json:"column"` // the new one
	State     State  `json:"state"`

	Rows     int64 `json:"rows"`     // visited, in this pass
	Filled   int64 `json:"filled"`   // brought in step, in all passes; the others were in step already
	Estimate int64 `json:"estimate"` // rows in the table when the pass began, roughly
	Chunks   int64 `json:"chunks"`
	Pass     int   `json:"pass"` // later ones than 1 repair what a verification found

	Rate    float64       `json:"rate"` // rows visited in a second, pauses included
	Left    time.Duration `json:"left"` // of the walk, at that rate; 0 where it cannot be told
	Started time.Time     `json:"started,omitzero"`
	Updated time.Time     `json:"updated,omitzero"`

	Worker string `json:"worker,omitempty"` // who is at it
	Reason string `json:"reason,omitempty"` // why it does not go on
	// Poison are the rows that could not be written: how many, the first one's key, and its error.
	Poison      int64    `json:"poison,omitempty"`
	PoisonKey   []string `json:"poison_key,omitempty"`
	PoisonError string   `json:"poison_error,omitempty"`
}

// Part is how much of the walk is done, from 0 to 1.
func (p Progress) Part() float64 {
	switch {
	case p.State == StateComplete || p.State == StateFinishing:
		return 1
	case p.Estimate <= 0:
		return 0
	}
	return min(1, float64(p.Rows)/float64(p.Estimate))
}

// String says it in a line: "0007_rename_email: public.users.email_address: running, 40 % of 1200000 rows, 9000 rows/s, 1m20s left".
func (p Progress) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s.%s: %s", p.Migration, tableName(p.Schema, p.Table), p.Column, p.State)
	switch p.State {
	case StateComplete:
		fmt.Fprintf(&b, ", %d rows filled", p.Filled)
	case StateRunning, StatePaused, StateWaiting:
		if p.Started.IsZero() {
			break
		}
		fmt.Fprintf(&b, ", %.0f %% of %d rows", 100*p.Part(), p.Estimate)
		if p.State == StateRunning {
			fmt.Fprintf(&b, ", %.0f rows/s", p.Rate)
			if p.Left > 0 {
				fmt.Fprintf(&b, ", %s left", p.Left.Round(time.Second))
			}
		}
		if p.Pass > 1 {
			fmt.Fprintf(&b, ", pass %d", p.Pass)
		}
	}
	if p.Poison > 0 {
		fmt.Fprintf(&b, "; %d rows cannot be written, first %s: %s", p.Poison, engine.KeyText(p.PoisonKey), p.PoisonError)
	} else if p.Reason != "" {
		fmt.Fprintf(&b, "; %s", p.Reason)
	}
	return b.String()
}

// Status lists every backfill there is or was, oldest migration first. It changes nothing
// and needs SELECT on the tables of schema phased, or on those whose names begin with phased_. A database without state has none.
func Status(ctx context.Context, db *sql.DB) ([]Progress, error) {
	eng, err := engines.Open(ctx, db, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("backfill: %w", err)
	}
	fills, err := eng.Fills(ctx)
	if errors.Is(err, engine.ErrNoState) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("backfill: %w", err)
	}
	var out []Progress
	for _, f := range fills {
		p := progress(f)
		if f.Poison > 0 {
			rows, err := eng.Poisoned(ctx, f.ID, 1)
			if err != nil {
				return nil, fmt.Errorf("backfill: %w", err)
			}
			if len(rows) > 0 {
				p.PoisonKey, p.PoisonError = rows[0].Key, rows[0].Error
			}
		}
		out = append(out, p)
	}
	return out, nil
}

func progress(f engine.Fill) Progress {
	p := Progress{Migration: f.Migration, Schema: f.Spec.Schema, Table: f.Spec.Table, Column: f.Spec.Link.New, State: state(f),
		Rows: f.Seen, Filled: f.Filled, Estimate: f.Estimate, Chunks: f.Chunks, Pass: f.Pass,
		Started: f.Started, Updated: f.Updated, Reason: f.LastError, Poison: f.Poison}
	if f.Claimed {
		p.Worker = f.Worker
	}
	if s := f.Elapsed.Seconds(); s > 0 {
		p.Rate = float64(f.Seen) / s
	}
	if p.State == StateRunning && p.Rate > 0 && f.Estimate > f.Seen {
		p.Left = time.Duration(float64(f.Estimate-f.Seen) / p.Rate * float64(time.Second))
	}
	return p
}

func state(f engine.Fill) State {
	switch {
	case f.State == engine.FillComplete:
		return StateComplete
	case f.State == engine.FillCancelled || f.Life == engine.StateRollingBack || f.Life == engine.StateRolledBack:
		return StateCancelled
	case f.Paused:
		return StatePaused
	case f.State == engine.FillWalked && f.Poison > 0:
		return StatePoisoned
	case f.State == engine.FillWalked:
		return StateFinishing
	case f.Claimed:
		return StateRunning
	}
	return StateWaiting
}

// Report is what one call of [Run] did itself.
type Report struct {
	Rows      int64         // visited
	Filled    int64         // brought in step
	Chunks    int64         // transactions
	Retries   int64         // of chunks
	Throttled time.Duration // waited for throttles
	Took      time.Duration
	Verified  []string // migrations that it brought to their verified state
}

// String says it in a line.
func (r Report) String() string {
	s := fmt.Sprintf("%d rows visited, %d filled, in %d chunks and %s", r.Rows, r.Filled, r.Chunks, r.Took.Round(time.Millisecond))
	if r.Throttled > 0 {
		s += fmt.Sprintf(" (throttled for %s)", r.Throttled.Round(time.Millisecond))
	}
	if len(r.Verified) > 0 {
		s += "; verified: " + strings.Join(r.Verified, ", ")
	}
	return s
}
