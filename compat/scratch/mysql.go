package scratch

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"strings"
	"syscall"

	driver "github.com/go-sql-driver/mysql"
)

// mysql is MySQL or MariaDB.
type mysql struct{ maria bool }

func (p mysql) traits() traits {
	t := traits{
		name:    "MySQL",
		env:     environment{EnvMySQLSource, EnvMySQLDSN, EnvMySQLBin, EnvMySQLImage},
		image:   DefaultMySQLImage,
		install: "Ubuntu: apt-get install mysql-server-core; Fedora: dnf install mysql-server; macOS: brew install mysql",
		// Commits are handed to the operating system before they are confirmed, and never flushed to disk: they survive a
		// crash of the server, not one of the machine.
		settings: map[string]string{
			"character_set_server":           "utf8mb4",
			"default_time_zone":              "+00:00",
			"innodb_buffer_pool_size":        "128M",
			"innodb_flush_log_at_trx_commit": "2",
			"innodb_flush_method":            "nosync",
			"innodb_use_native_aio":          "OFF", // the kernel's requests are few and shared by all servers
			"log_bin":                        "binlog",
			"max_connections":                "400",
			"performance_schema":             "ON",
			"server_id":                      "1",
			"skip_name_resolve":              "ON",
			"sync_binlog":                    "0",
		},
		settingName: regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*$`),
		accounts:    []string{"mysql", "nobody"},
		stop:        syscall.SIGTERM,
		quit:        syscall.SIGKILL, // every other signal ends it in order, which takes seconds
		pidFile:     pidName,
		sockets:     socketName,
		portTaken:   "Bind on TCP/IP port",
	}
	if !p.maria {
		maps.Copy(t.settings, map[string]string{
			"innodb_redo_log_capacity": "64M",
			"mysqlx":                   "OFF",
		})
		return t
	}
	t.name = "MariaDB"
	t.env = environment{EnvMariaDBSource, EnvMariaDBDSN, EnvMariaDBBin, EnvMariaDBImage}
	t.image = DefaultMariaDBImage
	t.install = "Debian and Ubuntu: apt-get install mariadb-server-core mariadb-client-core; " +
		"Fedora: dnf install mariadb-server; macOS: brew install mariadb"
	maps.Copy(t.settings, map[string]string{
		// What MySQL has by itself: metadata locks and statements can be read from the performance schema.
		"binlog_format":                 "ROW",
		"innodb_log_file_size":          "64M",
		"performance_schema_instrument": "wait/lock/metadata/sql/mdl=ON",
		"performance_schema_consumer_events_statements_current":   "ON",
		"performance_schema_consumer_events_statements_history":   "ON",
		"performance_schema_consumer_events_transactions_current": "ON",
	})
	return t
}

// Names in the server's folder.
const (
	pidName    = "server.pid"
	socketName = "server.sock"
	filesName  = "files" // the only place of files that SQL may read and write
)

// options are the settings as arguments. A default of ours that a version does not know is not in its way; what was asked
// for must be known.
func options(cfg Config) []string {
	var args []string
	for name, value := range sorted(cfg.settings()) {
		switch _, asked := cfg.Settings[name]; {
		case name == "log_bin" && strings.EqualFold(value, "OFF"):
			args = append(args, "--skip-log-bin") // log_bin takes the name of a file
		case asked:
			args = append(args, "--"+name+"="+value)
		default:
			args = append(args, "--loose-"+name+"="+value)
		}
	}
	return args
}

func (mysql) parse(dsn string) (string, error) {
	cfg, err := driver.ParseDSN(dsn)
	if err != nil {
		return "", errors.New("not of the form user:password@tcp(host:port)/")
	}
	cfg.DBName = ""
	return cfg.FormatDSN(), nil
}

func (mysql) host(dsn string) string {
	cfg, err := driver.ParseDSN(dsn)
	if err != nil {
		return ""
	}
	return cfg.Addr
}

func (mysql) withDatabase(dsn, name string) string {
	cfg, err := driver.ParseDSN(dsn)
	if err != nil { // parse made it
		panic("scratch: unreadable DSN")
	}
	cfg.DBName = name
	return cfg.FormatDSN()
}

// open makes a pool that says nothing to standard error about connections that break: tests break them.
func (mysql) open(dsn string) (*sql.DB, error) {
	cfg, err := driver.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("DSN cannot be read")
	}
	cfg.Logger = &driver.NopLogger{}
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("read DSN: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// version also refuses a server that is the other of the two.
func (p mysql) version(ctx context.Context, db *sql.DB) (int, error) {
	var text string
	if err := db.QueryRowContext(ctx, `SELECT VERSION()`).Scan(&text); err != nil {
		return 0, err
	}
	if maria := strings.Contains(text, "MariaDB"); maria != p.maria {
		return 0, fmt.Errorf("the server is not %s: its version is %s", p.traits().name, text)
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(text, "%d.%d.%d", &major, &minor, &patch); err != nil {
		return 0, fmt.Errorf("version %q: %w", text, err)
	}
	return major*10000 + minor*100 + patch, nil
}

func (p mysql) image(cfg Config, password string) image {
	prefix := "MYSQL_"
	if p.maria {
		prefix = "MARIADB_"
	}
	return image{
		env:  map[string]string{prefix + "ROOT_PASSWORD": password},
		port: "3306/tcp",
		cmd:  options(cfg),
	}
}

func (mysql) imageDSN(host, port, password string) string {
	cfg := driver.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = "root", password, "tcp", net.JoinHostPort(host, port)
	return cfg.FormatDSN()
}
