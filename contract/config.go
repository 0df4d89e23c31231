package contract

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/runner"
)

// Half says which half of contract may be done.
type Half string

// The halves.
const (
	HalfBoth Half = ""     // whatever is due
	HalfHide Half = "hide" // hide only; what is hidden stays
	HalfDrop Half = "drop" // drop only what is hidden already
)

// Config adjusts contract. The zero value does whatever is due, after a soak of 24 hours.
type Config struct {
	// Soak is how long nothing may have used the old side before it is hidden, and how
	// long it stays hidden before it is dropped. Default 24 h; at most 30 days, for
	// which the register keeps instances. It is raised to three lifetimes of the
	// instances' heartbeat where it is below.
	Soak time.Duration
	// Apps names the applications that use the database (expand.Config.App). The first
	// contract in a database needs it; afterwards it is not asked.
	Apps []string
	// AssumeGone skips the gates that ask whether the old side is still used, for the
	// reason given, which is recorded. With HalfBoth it also skips the soak between
	// hiding and dropping: what is hidden is dropped in the same pass.
	AssumeGone string
	// Migration is the only one to contract. Default "": all that are due.
	Migration string
	// Half bounds what may be done. Default HalfBoth.
	Half Half
	// Lines are the contract lines that the caller's own migrations embed, where it
	// has some (expand.Migrator.Lines). They only make the way to the gate "line" more exact.
	Lines []string

	// Direct is a pool that leads to the server itself, past any pooler. It is needed where
	// the database is reached through a pooler that hands out sessions by the transaction
	// (PgBouncer in transaction mode): steps that cannot be in a transaction run on it.
	// On PostgreSQL contract has none today. Default nil: there is no
	// such pooler. The caller closes it.
	Direct *sql.DB

	// Poll is the pause between two passes of Work. Default 1 min.
	Poll time.Duration
	// LockTimeout bounds each wait of a step for a lock, in which others queue up
	// behind it. Default: the plan's own (500 ms).
	LockTimeout time.Duration
	// LockRetry is how long a step that cannot get its lock is tried again, with
	// pauses in which nothing is held. Default 10 min.
	LockRetry time.Duration
	// LockPause is the average pause between two tries. Default 1 s.
	LockPause time.Duration
	// Lease is how long the runner's lease outlives its last renewal. Default 15 s, at least 1 s.
	Lease time.Duration
	// Logger gets what happens. Default nil: nothing is logged.
	Logger *slog.Logger
}

// keptInstances is how long the register keeps an instance that gives no sign of life.
const keptInstances = 30 * 24 * time.Hour

func (c Config) withDefaults() (Config, error) {
	if c.Soak == 0 {
		c.Soak = 24 * time.Hour
	}
	if c.Poll == 0 {
		c.Poll = time.Minute
	}
	if c.Lease == 0 {
		c.Lease = 15 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Soak < 0:
		return c, fmt.Errorf("contract: Config.Soak is %s; it must not be negative", c.Soak)
	case c.Soak > keptInstances:
		return c, fmt.Errorf("contract: Config.Soak is %s; the register keeps instances for %s only", c.Soak, keptInstances)
	case c.Half != HalfBoth && c.Half != HalfHide && c.Half != HalfDrop:
		return c, fmt.Errorf("contract: Config.Half is %q; it is HalfBoth, HalfHide or HalfDrop", c.Half)
	case c.Poll < 0:
		return c, fmt.Errorf("contract: Config.Poll is %s; it must not be negative", c.Poll)
	case c.Lease < time.Second:
		return c, fmt.Errorf("contract: Config.Lease is %s, at least 1s is needed", c.Lease)
	case c.LockTimeout < 0, c.LockRetry < 0, c.LockPause < 0:
		return c, errors.New("contract: Config.LockTimeout, LockRetry and LockPause must not be negative")
	}
	return c, nil
}

func (c Config) runner(eng engine.Engine) runner.Options {
	return runner.Options{Engine: eng, Log: c.Logger, TTL: c.Lease, Holder: "contract, " + runner.DefaultHolder(),
		Retry: runner.Retry{LockTimeout: c.LockTimeout, For: c.LockRetry, Pause: c.LockPause}}
}

// reason is what the event log says.
func (c Config) reason() string {
	if c.AssumeGone == "" {
		return ""
	}
	return "assumed gone: " + c.AssumeGone
}
