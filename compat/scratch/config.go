package scratch

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// ErrUnavailable is returned by [Start] and [Shared] when no source has a server to offer: nothing is configured,
// no binaries are installed and no container host answers. The error that wraps it says what was looked for.
// A source that is there but does not work (a DSN nobody answers, an initdb that fails) is a different error.
var ErrUnavailable = errors.New("no server at hand")

// ErrNotOwned is returned by [Server.Kill] and [Server.Restart] for a server that this process did not start from
// binaries.
var ErrNotOwned = errors.New("server was not started from binaries by this process")

// Source is where a server comes from.
type Source string

// The sources, in the order in which they are tried.
const (
	SourceAny       Source = ""          // the first of the others that is there
	SourceDSN       Source = "dsn"       // a running server that somebody else looks after
	SourceBinaries  Source = "binaries"  // server binaries on this machine
	SourceContainer Source = "container" // a container made of an image
)

// The environment variables that fill what a [Config] leaves out.
const (
	EnvSource = "PHASED_POSTGRES_SOURCE" // dsn, binaries or container; empty for the first that is there
	EnvDSN    = "PHASED_POSTGRES_DSN"    // connection string of a role that may create databases
	EnvBin    = "PHASED_POSTGRES_BIN"    // folder that holds initdb and postgres
	EnvImage  = "PHASED_POSTGRES_IMAGE"  // container image

	EnvMariaDBSource = "PHASED_MARIADB_SOURCE"
	EnvMariaDBDSN    = "PHASED_MARIADB_DSN" // in the form of github.com/go-sql-driver/mysql
	EnvMariaDBBin    = "PHASED_MARIADB_BIN" // folder that holds mariadbd
	EnvMariaDBImage  = "PHASED_MARIADB_IMAGE"

	EnvMySQLSource = "PHASED_MYSQL_SOURCE"
	EnvMySQLDSN    = "PHASED_MYSQL_DSN" // in the form of github.com/go-sql-driver/mysql
	EnvMySQLBin    = "PHASED_MYSQL_BIN" // folder that holds mysqld
	EnvMySQLImage  = "PHASED_MYSQL_IMAGE"
)

// The container images used when nothing else is said.
const (
	DefaultImage        = "postgres:16-alpine"
	DefaultMariaDBImage = "mariadb:11.8"
	DefaultMySQLImage   = "mysql:8.4"
)

// Config says which server to use and how to set it up. The zero value takes everything from the environment and
// finds a server by itself.
type Config struct {
	// Dialect is the kind of server. Default: [plan.DialectPostgres]. The environment variables named below are
	// PostgreSQL's; MariaDB and MySQL have their own, PHASED_MARIADB_DSN for PHASED_POSTGRES_DSN, and so on.
	Dialect plan.Dialect

	// Source forces one source. Default: PHASED_POSTGRES_SOURCE, else the first that is there.
	Source Source

	// DSN of a running server: of PostgreSQL as a URL or as keywords and values, of MariaDB and MySQL in the form of
	// github.com/go-sql-driver/mysql. Its role must be able to create databases.
	// Default: PHASED_POSTGRES_DSN.
	DSN string

	// BinDir is the folder that holds initdb and postgres, mariadbd, or mysqld. Default: PHASED_POSTGRES_BIN, else
	// pg_config --bindir, PATH and the usual folders of packages, newest version first.
	BinDir string

	// Image is the container image. It must behave like the product's official image.
	// Default: PHASED_POSTGRES_IMAGE, else [DefaultImage].
	Image string

	// Dir is the folder in which the server's temporary folder is made. Default: TMPDIR where that is set, else
	// /dev/shm on Linux with 2 GiB free there (data is in memory then, so set Dir for tables of gigabytes), else
	// /tmp. Where the account that runs the server cannot enter it, /tmp and /var/tmp are tried.
	Dir string

	// Settings are server settings that replace or add to the ones for scratch servers, for example {"fsync": "on"}: of
	// postgresql.conf, or options of mariadbd and mysqld, with log_bin OFF for none. A server behind a DSN is somebody else's and is not changed: where there are Settings, the DSN
	// is passed over, and refused when Source asks for it.
	Settings map[string]string

	// Pooler puts a pooler between the DSN of each database and a PostgreSQL server; [Database.Direct] leads past it.
	// Default: PHASED_POSTGRES_POOLER, else none.
	Pooler Pooler

	// Log receives what is started, stopped and swept. Nil discards.
	Log *slog.Logger

	product product
}

// resolve fills what is left out and refuses what cannot work.
func (c Config) resolve() (Config, error) {
	c.Dialect = first(c.Dialect, plan.DialectPostgres)
	var err error
	if c.product, err = productOf(c.Dialect); err != nil {
		return c, err
	}
	t := c.product.traits()
	c.Source = first(c.Source, Source(os.Getenv(t.env.source)))
	c.DSN = first(c.DSN, os.Getenv(t.env.dsn))
	c.BinDir = first(c.BinDir, os.Getenv(t.env.bin))
	c.Image = first(c.Image, os.Getenv(t.env.image), t.image)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dialect == plan.DialectPostgres {
		c.Pooler = first(c.Pooler, Pooler(os.Getenv(EnvPooler)))
	}
	switch {
	case c.Pooler == PoolerDefault, c.Pooler == PoolerNone:
	case c.Dialect != plan.DialectPostgres:
		return c, fmt.Errorf("pooler %q is for PostgreSQL only", c.Pooler)
	case c.Pooler != PoolerPgBouncer && c.Pooler != PoolerPgBouncerSession:
		return c, fmt.Errorf("pooler %q is unknown: want pgbouncer, pgbouncer-session or none", c.Pooler)
	}
	switch c.Source {
	case SourceAny, SourceBinaries, SourceContainer:
	case SourceDSN:
		if c.DSN == "" {
			return c, fmt.Errorf("source %q wants a connection string in Config.DSN or %s", c.Source, t.env.dsn)
		}
		if len(c.Settings) > 0 {
			return c, fmt.Errorf("source %q cannot apply Config.Settings: the server is not ours to change", c.Source)
		}
	default:
		return c, fmt.Errorf("source %q is unknown: want dsn, binaries or container", c.Source)
	}
	for name, value := range c.Settings {
		if !t.settingName.MatchString(name) {
			return c, fmt.Errorf("setting %q is not a name", name)
		}
		if strings.ContainsAny(value, "\x00\n\r") {
			return c, fmt.Errorf("setting %s holds a line break", name)
		}
	}
	c.Settings = maps.Clone(c.Settings)
	return c, nil
}

// settings are the product's, as Settings change them.
func (c Config) settings() map[string]string {
	s := c.product.traits().settings
	maps.Copy(s, c.Settings)
	return s
}

// sorted goes through the settings by name.
func sorted(settings map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			if !yield(name, settings[name]) {
				return
			}
		}
	}
}

func first[T comparable](vs ...T) T {
	var zero T
	for _, v := range vs {
		if v != zero {
			return v
		}
	}
	return zero
}
