package backfill

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"
)

// Config adjusts the work. The zero value is useful.
type Config struct {
	// Logger gets what happens. Default nil: nothing is logged.
	Logger *slog.Logger

	// Target is how long one transaction should take; the number of rows in a chunk
	// follows it. Rows that a chunk has changed are locked for as long. Default 100ms.
	Target time.Duration
	// MinRows and MaxRows bound the number of rows in a chunk. Only the search for a
	// row that cannot be written goes below MinRows. Default 10 and 50,000.
	MinRows, MaxRows int
	// Throttles are asked in order before every chunk. Default none.
	Throttles []Throttle
	// OnProgress is called after every chunk and whenever a backfill's state
	// changes, from the goroutine that works: a slow one slows the work down.
	OnProgress func(Progress)

	// Poll is the pause between two looks for work. Default 2s.
	Poll time.Duration
	// Lease is how long the claim on a backfill outlives its last renewal: a worker
	// that died is replaced after it. Default 15s, at least 1s.
	Lease time.Duration
	// Retries is how often one chunk is tried again after a deadlock, a lock or
	// statement timeout, a serialization failure or a lost connection. Default 20.
	Retries int
	// RetryPause is the average pause before the first such try; it doubles up to 64
	// times that. Default 50ms.
	RetryPause time.Duration

	// Direct is a pool that leads to the server itself, past any pooler. It is needed where
	// the database is reached through a pooler that hands out sessions by the transaction
	// (PgBouncer in transaction mode): the indexes and constraints of the new side that are made
	// after the walk run on it; without it that backfill ends with *PoolerError. Default nil: there is no
	// such pooler. The caller closes it.
	Direct *sql.DB

	// Migration restricts the work to one migration. Default "": all.
	Migration string
}

// Throttle is asked before every chunk. It returns when the next chunk may be
// written, or ctx's error when ctx is done first. Any other error stops the
// backfill and is reported as its reason: a throttle that cannot tell whether it is
// safe to go on returns an error rather than nil. Implementations are welcome;
// those given to [Work] are called from one goroutine at a time.
type Throttle interface {
	Wait(ctx context.Context) error
}

// ThrottleFunc is a function as a Throttle.
type ThrottleFunc func(ctx context.Context) error

// Wait calls f.
func (f ThrottleFunc) Wait(ctx context.Context) error { return f(ctx) }

// withDefaults resolves the defaults into a copy and refuses what cannot work.
func (c Config) withDefaults() (Config, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
		least time.Duration
	}{
		{"Target", &c.Target, 100 * time.Millisecond, time.Millisecond},
		{"Poll", &c.Poll, 2 * time.Second, time.Millisecond},
		{"Lease", &c.Lease, 15 * time.Second, time.Second},
		{"RetryPause", &c.RetryPause, 50 * time.Millisecond, time.Millisecond},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
		if *d.value < d.least {
			return c, fmt.Errorf("backfill: Config.%s is %s, at least %s is needed", d.name, *d.value, d.least)
		}
	}
	if c.MinRows == 0 {
		c.MinRows = 10
	}
	if c.MaxRows == 0 {
		c.MaxRows = max(50000, c.MinRows)
	}
	if c.Retries == 0 {
		c.Retries = 20
	}
	switch {
	case c.MinRows < 1 || c.MaxRows < c.MinRows:
		return c, fmt.Errorf("backfill: Config.MinRows is %d and MaxRows %d: 1 <= MinRows <= MaxRows is needed", c.MinRows, c.MaxRows)
	case c.Retries < 0:
		return c, fmt.Errorf("backfill: Config.Retries is %d, it must not be negative", c.Retries)
	}
	for i, t := range c.Throttles {
		if t == nil {
			return c, fmt.Errorf("backfill: Config.Throttles[%d] is nil", i)
		}
	}
	return c, nil
}

// statementTimeout bounds one chunk: far above the target, so that it is met by
// a chunk that was cut much too large, not by one that was a little slow.
func (c Config) statementTimeout() time.Duration { return max(20*c.Target, 5*time.Second) }
