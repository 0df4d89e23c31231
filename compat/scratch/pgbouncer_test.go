package scratch

import (
	"context"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestPgBouncer(t *testing.T) {
	t.Setenv(EnvExecMode, "")
	s := PostgresServer(t, Config{Source: SourceBinaries, Pooler: PoolerPgBouncer})
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Server)
	}{
		{"hands out sessions by the transaction", handsOutSessionsByTheTransaction},
		{"lets every role in", letsEveryRoleIn},
		{"outlives the server", outlivesTheServer},
		{"ends with the server", endsWithTheServer},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

func handsOutSessionsByTheTransaction(t *testing.T, s *Server) {
	db := database(t, s)
	conn, err := db.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sessions := map[int]bool{}
	for range 5 {
		tx, err := db.DB.BeginTx(t.Context(), nil) // somebody else has a session
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback() //nolint:errcheck // it did nothing
		var pid int
		if _, err := tx.Exec("SELECT 1"); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
			t.Fatal(err)
		}
		sessions[pid] = true
	}
	if len(sessions) != 5 {
		t.Errorf("5 statements of one connection were on %d sessions", len(sessions))
	}
}

func letsEveryRoleIn(t *testing.T, s *Server) {
	db := database(t, s)
	if !db.Pooled() || db.DirectDB() == db.DB {
		t.Fatal("the database is not behind a pooler")
	}
	if _, err := db.DirectDB().Exec("CREATE ROLE reader LOGIN"); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("reader")
	conn, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var role, name string
	if err := conn.QueryRow(t.Context(), "SELECT current_user, current_database()").Scan(&role, &name); err != nil {
		t.Fatal(err)
	}
	if role != "reader" || name != db.Name {
		t.Errorf("connected as %s to %s", role, name)
	}
	if err := db.Drop(t.Context()); err != nil {
		t.Error(err)
	}
}

func outlivesTheServer(t *testing.T, s *Server) {
	db := database(t, s)
	if err := db.DB.Ping(); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pooler leads to the server again", func() bool { return db.DB.PingContext(context.Background()) == nil })
}

func endsWithTheServer(t *testing.T, s *Server) {
	pid, folder := s.pooler.process.pid, s.pooler.folder.path
	written, err := os.ReadFile(filepath.Join(folder, "pgbouncer.pid"))
	if err != nil || string(written) != strconv.Itoa(pid)+"\n" {
		t.Errorf("process %d, its file says %q (%v)", pid, written, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !ended(pid) {
		t.Error("the pooler lives on")
	}
	if _, err := os.Stat(folder); err == nil {
		t.Errorf("%s is left", folder)
	}
}

func TestPoolersAreAskedForByName(t *testing.T) {
	for pooler, want := range map[string]Pooler{"": PoolerDefault, "pgbouncer": PoolerPgBouncer, "none": PoolerNone} {
		t.Setenv(EnvPooler, pooler)
		if cfg, err := (Config{}).resolve(); err != nil || cfg.Pooler != want {
			t.Errorf("%q gives %q, %v", pooler, cfg.Pooler, err)
		}
	}
	t.Setenv(EnvPooler, "pgbouncer")
	if cfg, err := (Config{Dialect: "mariadb"}).resolve(); err != nil || cfg.Pooler != PoolerDefault {
		t.Errorf("MariaDB is put behind %q, %v", cfg.Pooler, err)
	}
	for _, cfg := range []Config{{Pooler: "odyssey"}, {Pooler: PoolerPgBouncer, Dialect: "mysql"}} {
		if _, err := cfg.resolve(); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

// What stands before a PgBouncer that ends on cancel requests passes on everything else.
func TestCancelRequestsAreKeptFromPgBouncer(t *testing.T) {
	t.Parallel()
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	f, err := newFilter(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	send := func(text string) net.Conn {
		c, err := net.Dial("tcp4", f.address())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	cancel := send("\x00\x00\x00\x10\x04\xd2\x16\x2e12345678")
	defer cancel.Close()
	if n, err := cancel.Read(make([]byte, 1)); err == nil {
		t.Errorf("a cancel request was answered with %d bytes", n)
	}
	other := send("\x00\x00\x00\x08\x00\x03\x00\x00")
	defer other.Close()
	c, err := server.Accept() // the first that gets here
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := make([]byte, 8)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "\x00\x00\x00\x08\x00\x03\x00\x00" {
		t.Errorf("got %q, %v", got, err)
	}
}
