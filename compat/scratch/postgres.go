package scratch

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

type postgres struct{}

func (postgres) traits() traits {
	return traits{
		name:    "PostgreSQL",
		env:     environment{EnvSource, EnvDSN, EnvBin, EnvImage},
		image:   DefaultImage,
		install: "Debian and Ubuntu: apt-get install postgresql; macOS: brew install postgresql",
		// Nothing is flushed to disk, so a crash of the machine loses the data; a crash of the server does not, because
		// commits still reach the operating system (synchronous_commit stays on, which costs little without fsync).
		settings: map[string]string{
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
		},
		settingName: regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`),
		accounts:    []string{"postgres", "nobody"}, // PostgreSQL refuses to be run by root
		stop:        syscall.SIGINT,
		quit:        syscall.SIGQUIT,
		pidFile:     "data/postmaster.pid",
		sockets:     ".s.PGSQL.*[0-9]",
		portTaken:   "could not create any TCP/IP sockets",
	}
}

func (postgres) parse(dsn string) (string, error) {
	u, err := parseDSN(dsn)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

func (postgres) host(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return ""
	}
	return u.Host
}

func (postgres) withDatabase(dsn, name string) string {
	u, err := url.Parse(dsn)
	if err != nil { // parse made it
		panic("scratch: unreadable URL")
	}
	return withDatabase(u, name)
}

// open makes a pool for a DSN through pgx.
func (postgres) open(dsn string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read DSN: %w", err)
	}
	return stdlib.OpenDB(*cfg), nil
}

func (postgres) version(ctx context.Context, db *sql.DB) (int, error) {
	var v int
	err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&v)
	return v, err
}

func (postgres) image(cfg Config, password string) image {
	settings := cfg.settings()
	if _, set := settings["shared_preload_libraries"]; !set {
		settings["shared_preload_libraries"] = "pg_stat_statements" // the official images bring contrib
	}
	cmd := []string{"postgres"}
	for name, value := range sorted(settings) {
		cmd = append(cmd, "-c", name+"="+value)
	}
	return image{
		env:  map[string]string{"POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": password},
		port: "5432/tcp",
		cmd:  cmd,
	}
}

func (postgres) imageDSN(host, port, password string) string {
	return (&url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("postgres", password),
		Host:     net.JoinHostPort(host, port),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}).String()
}
