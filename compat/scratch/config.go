package scratch

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"strings"
)

// ErrUnavailable is returned by [Start] and [Shared] when no source has a server to offer: nothing is configured,
// no binaries are installed and no container host answers. The error that wraps it says what was looked for.
// A source that is there but does not work (a DSN nobody answers, an initdb that fails) is a different error.
var ErrUnavailable = errors.New("no PostgreSQL server at hand")

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
)

// DefaultImage is the container image used when nothing else is said.
const DefaultImage = "postgres:16-alpine"

// Config says which server to use and how to set it up. The zero value takes everything from the environment and
// finds a server by itself.
type Config struct {
	// Source forces one source. Default: PHASED_POSTGRES_SOURCE, else the first that is there.
	Source Source

	// DSN of a running server, as a URL or as keywords and values; its role must be able to create databases.
	// Default: PHASED_POSTGRES_DSN.
	DSN string

	// BinDir is the folder that holds initdb and postgres. Default: PHASED_POSTGRES_BIN, else pg_config --bindir,
	// PATH and the usual folders of packages, newest version first.
	BinDir string

	// Image is the container image. It must behave like the official postgres image.
	// Default: PHASED_POSTGRES_IMAGE, else [DefaultImage].
	Image string

	// Dir is the folder in which the server's temporary folder is made. Default: TMPDIR where that is set, else
	// /dev/shm on Linux with 2 GiB free there (data is in memory then, so set Dir for tables of gigabytes), else
	// /tmp. Where the account that runs the server cannot enter it, /tmp and /var/tmp are tried.
	Dir string

	// Settings are server settings (postgresql.conf) that replace or add to the ones for scratch servers, for example
	// {"fsync": "on"}. A server behind a DSN is somebody else's and is not changed: where there are Settings, the DSN
	// is passed over, and refused when Source asks for it.
	Settings map[string]string

	// Log receives what is started, stopped and swept. Nil discards.
	Log *slog.Logger
}

// resolve fills what is left out and refuses what cannot work.
func (c Config) resolve() (Config, error) {
	c.Source = first(c.Source, Source(os.Getenv(EnvSource)))
	c.DSN = first(c.DSN, os.Getenv(EnvDSN))
	c.BinDir = first(c.BinDir, os.Getenv(EnvBin))
	c.Image = first(c.Image, os.Getenv(EnvImage), DefaultImage)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch c.Source {
	case SourceAny, SourceBinaries, SourceContainer:
	case SourceDSN:
		if c.DSN == "" {
			return c, fmt.Errorf("source %q wants a connection string in Config.DSN or %s", c.Source, EnvDSN)
		}
		if len(c.Settings) > 0 {
			return c, fmt.Errorf("source %q cannot apply Config.Settings: the server is not ours to change", c.Source)
		}
	default:
		return c, fmt.Errorf("source %q is unknown: want dsn, binaries or container", c.Source)
	}
	for name, value := range c.Settings {
		if !settingName.MatchString(name) {
			return c, fmt.Errorf("setting %q is not a name", name)
		}
		if strings.ContainsAny(value, "\x00\n\r") {
			return c, fmt.Errorf("setting %s holds a line break", name)
		}
	}
	c.Settings = maps.Clone(c.Settings)
	return c, nil
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// settings are what a scratch server is for: speed, and everything switched on that a schema change may meet.
// Nothing is flushed to disk, so a crash of the machine loses the data; a crash of the server does not, because
// commits still reach the operating system (synchronous_commit stays on, which costs little without fsync).
func (c Config) settings() map[string]string {
	s := map[string]string{
		"fsync":                     "off",
		"full_page_writes":          "off",
		"wal_level":                 "logical",
		"max_wal_size":              "256MB",
		"max_connections":           "400",
		"shared_buffers":            "128MB",
		"max_prepared_transactions": "20",
		"max_wal_senders":           "10",
		"max_replication_slots":     "10",
		"timezone":                  "UTC",
		"log_timezone":              "UTC",
	}
	maps.Copy(s, c.Settings)
	return s
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
