package expand

import (
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/phasedb/phased/internal/runner"
)

// Config adjusts a Migrator. The zero value is useful for everything but App.
type Config struct {
	// App names the service in the register of running instances; contract waits for
	// instances by app. Required by Up and Register.
	App string
	// Version labels the build ("v42"), for people. Default "unknown".
	Version string

	// Dir is the folder of the migration files inside the file system. Default: the
	// root, or its folder "migrations" where the root holds no .sql file.
	Dir string
	// Migrations are migrations written as Go values; they are ordered by name among the files.
	Migrations []*Migration
	// Parser reads files that have no plan file. Default nil: every file needs one.
	// It is expand/postgres.Parser(), which needs cgo, or expand/mysql.Parser().
	Parser Parser
	// Replan renders a plan anew where the live catalog differs from the plan's
	// facts. Default false: Up stops before touching anything and shows the difference.
	Replan bool
	// Until stops Up behind the migration of that name. Default "": all.
	Until string
	// ReadsOld lists migrations whose new side this build does not read yet, so that
	// Ready does not wait for their backfill.
	ReadsOld []string

	// Direct is a pool that leads to the server itself, past any pooler. It is needed where
	// the database is reached through a pooler that hands out sessions by the transaction
	// (PgBouncer in transaction mode): steps that cannot be in a transaction, such as CREATE
	// INDEX CONCURRENTLY, run on it, and Up refuses them without it (*PoolerError). Default nil: there is no
	// such pooler. The caller closes it.
	Direct *sql.DB

	// LockTimeout bounds each wait of a step for a lock, in which others queue up
	// behind it. Default: the plan's own (500 ms).
	LockTimeout time.Duration
	// LockRetry is how long a step that cannot get its lock is tried again, with
	// pauses in which nothing is held. Default 10 min.
	LockRetry time.Duration
	// LockPause is the average pause between two tries. Default 1 s.
	LockPause time.Duration
	// Lease is how long the runner's lease outlives its last renewal: a runner that
	// died is replaced after it. Default 15 s, at least 1 s.
	Lease time.Duration
	// Heartbeat is the pause between two signs of life of this instance; it counts as
	// alive for three of them. Default 10 s, at least 100 ms.
	Heartbeat time.Duration

	// Logger gets what happens. Default nil: nothing is logged.
	Logger *slog.Logger
}

// withDefaults resolves the defaults into a copy.
func (c Config) withDefaults() (Config, error) {
	if c.Version == "" {
		c.Version = "unknown"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 10 * time.Second
	}
	if c.Lease == 0 {
		c.Lease = 15 * time.Second
	}
	switch {
	case c.Heartbeat < 100*time.Millisecond:
		return c, fmt.Errorf("expand: Config.Heartbeat is %s, at least 100ms is needed", c.Heartbeat)
	case c.Lease < time.Second:
		return c, fmt.Errorf("expand: Config.Lease is %s, at least 1s is needed", c.Lease)
	case c.LockTimeout < 0, c.LockRetry < 0, c.LockPause < 0:
		return c, fmt.Errorf("expand: Config.LockTimeout, LockRetry and LockPause must not be negative")
	}
	return c, nil
}

func (c Config) retry() runner.Retry {
	return runner.Retry{LockTimeout: c.LockTimeout, For: c.LockRetry, Pause: c.LockPause}
}

func hostname() string {
	h, err := os.Hostname()
	if err != nil {
		return "unknown host"
	}
	return h
}
