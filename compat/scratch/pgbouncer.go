package scratch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pooler is what stands between a database's DSN and a PostgreSQL server.
type Pooler string

// The poolers.
const (
	PoolerDefault   Pooler = ""          // what PHASED_POSTGRES_POOLER says, else none
	PoolerNone      Pooler = "none"      // whatever the environment says
	PoolerPgBouncer Pooler = "pgbouncer" // PgBouncer in transaction mode, from installed binaries

	PoolerPgBouncerSession Pooler = "pgbouncer-session" // in session mode
)

// The environment variables of poolers.
const (
	EnvPooler   = "PHASED_POSTGRES_POOLER"    // pgbouncer or pgbouncer-session; empty for none
	EnvExecMode = "PHASED_POSTGRES_EXEC_MODE" // pgx's default_query_exec_mode in DSNs that lead through it: exec (default), simple_protocol, …
)

// pgbouncer is a PgBouncer as a cluster runs it: a folder with its configuration, and one process.
type pgbouncer struct {
	postgres
	server string // DSN of the server behind it
	mode   string // of pgx
	pooler Pooler
}

// pooler is a started PgBouncer.
type pooler struct {
	*cluster
	filter *filter // nil where it needs none
	dsn    string  // that leads through both
}

func (p *pooler) close() error {
	var err error
	if p.filter != nil {
		err = p.filter.close()
	}
	return errors.Join(err, p.cluster.close())
}

// startPooler puts a PgBouncer in front of a server.
func startPooler(ctx context.Context, cfg Config, server string) (*pooler, error) {
	p := pgbouncer{server: server, mode: first(os.Getenv(EnvExecMode), "exec"), pooler: cfg.Pooler}
	bin, err := p.find(ctx, "")
	if err != nil {
		return nil, err
	}
	cfg.product = p
	c, err := newCluster(ctx, cfg, bin)
	if err != nil {
		return nil, err
	}
	out, address := &pooler{cluster: c}, net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port))
	if endsOnCancel(ctx, bin) {
		if out.filter, err = newFilter(address); err != nil {
			return nil, errors.Join(err, c.close())
		}
		address = out.filter.address()
	}
	out.dsn = p.through(address)
	for try := 1; ; try++ {
		conn, err := pgx.Connect(ctx, out.dsn)
		if err == nil {
			return out, conn.Close(ctx)
		}
		if try == 100 || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("connect through PgBouncer: %w", err), out.close())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (pgbouncer) traits() traits {
	t := postgres{}.traits()
	t.name = "PgBouncer"
	t.pidFile = "pgbouncer.pid"
	// It has nothing to lose, and versions differ in which signal waits for clients and which is ignored.
	t.stop, t.quit = syscall.SIGKILL, syscall.SIGKILL
	t.portTaken = "Address already in use"
	return t
}

// find returns the folder that holds pgbouncer. It is a system program on Debian, and not on everybody's PATH.
func (pgbouncer) find(context.Context, string) (string, error) {
	dirs := append(foldersOnPath("pgbouncer"), "/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin", "/opt/local/bin")
	for _, dir := range dirs {
		if executable(filepath.Join(dir, "pgbouncer")) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%w: no pgbouncer was found on PATH or in the usual folders; install one (Debian and Ubuntu: "+
		"apt-get install pgbouncer; macOS: brew install pgbouncer), or unset %s", ErrUnavailable, EnvPooler)
}

// Sessions are handed out in turn, so that a client's next transaction is hardly ever on the session of the one before.
const pgbouncerConfig = `[databases]
* = host=%s port=%s auth_user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
auth_query = SELECT $1::text, ''::text
pool_mode = %s
server_round_robin = 1
default_pool_size = 60
max_client_conn = 5000
server_idle_timeout = 5
server_login_retry = 0.1
ignore_startup_parameters = extra_float_digits
pidfile = %s
log_connections = 0
log_disconnections = 0
log_stats = 0
`

// initialize writes the configuration. Roles other than the DSN's own log in without a password.
func (p pgbouncer) initialize(_ context.Context, c *cluster) error {
	u, err := url.Parse(p.server)
	if err != nil {
		return errors.New("unreadable URL")
	}
	quoted := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	password, _ := u.User.Password()
	users := quoted(u.User.Username()) + " " + quoted(password) + "\n"
	return errors.Join(p.write(c, "users", users), p.configure(c, u))
}

// configure writes the file that names the port, which is picked after initialize.
func (p pgbouncer) configure(c *cluster, u *url.URL) error {
	mode := "transaction"
	if p.pooler == PoolerPgBouncerSession {
		mode = "session"
	}
	return p.write(c, "pgbouncer.ini", fmt.Sprintf(pgbouncerConfig, u.Hostname(), first(u.Port(), "5432"), u.User.Username(), c.port, c.folder.file("users"), mode, c.folder.file("pgbouncer.pid")))
}

func (pgbouncer) write(c *cluster, name, text string) error {
	if err := os.WriteFile(c.folder.file(name), []byte(text), 0o600); err != nil {
		return err
	}
	return c.folder.owner.own(c.folder.file(name))
}

func (p pgbouncer) command(c *cluster) *exec.Cmd {
	if u, err := url.Parse(p.server); err == nil {
		_ = p.configure(c, u) // a start without its file says so
	}
	return c.run(context.Background(), filepath.Join(c.bin, "pgbouncer"), c.folder.file("pgbouncer.ini"))
}

func (pgbouncer) accepts(_ context.Context, c *cluster, pid int) bool {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// through is the server's DSN with another address. PgBouncer before 1.21 knows no prepared statements in transaction mode.
func (p pgbouncer) through(address string) string {
	u, err := url.Parse(p.server)
	if err != nil { // connect has parsed it
		panic("scratch: unreadable URL")
	}
	query := u.Query()
	query.Set("sslmode", "disable")
	query.Set("default_query_exec_mode", p.mode)
	u.Host, u.RawQuery = address, encode(query)
	return u.String()
}
