package scratch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
)

// startLimit bounds the start of a server: initdb on a busy machine takes seconds, pulling an image a minute.
const startLimit = 3 * time.Minute

// Postgres gives the test an empty database of its own on the process's shared server, and drops it when the test
// and its subtests are done. It may be called often and from parallel tests.
//
// Where no server can be had the test is skipped with a sentence that says how to get one. Where CI is set (to
// anything but "false") that is a failure instead, so that a green build means that the tests ran.
func Postgres(t testing.TB) *Database {
	t.Helper()
	return On(t, plan.DialectPostgres)
}

// MariaDB is [Postgres] for MariaDB.
func MariaDB(t testing.TB) *Database {
	t.Helper()
	return On(t, plan.DialectMariaDB)
}

// MySQL is [Postgres] for MySQL. Many machines have none: see [Available].
func MySQL(t testing.TB) *Database {
	t.Helper()
	return On(t, plan.DialectMySQL)
}

// On is [Postgres] for any dialect.
func On(t testing.TB, d plan.Dialect) *Database {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	server, err := SharedOf(ctx, d)
	if err != nil {
		giveUp(t, err)
	}
	db, err := server.CreateDatabase(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := db.Drop(ctx); err != nil {
			t.Error(err)
		}
	})
	return db
}

// PostgresServer gives the test a server of its own, as [Start] does, and ends it with the test. It is for tests
// that kill or restart the server or need settings of their own; [Postgres] is much cheaper. It skips and fails like
// [Postgres].
func PostgresServer(t testing.TB, cfg Config) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	server, err := Start(ctx, cfg)
	if err != nil {
		giveUp(t, err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// MariaDBServer is [PostgresServer] for MariaDB. It sets cfg.Dialect.
func MariaDBServer(t testing.TB, cfg Config) *Server {
	t.Helper()
	cfg.Dialect = plan.DialectMariaDB
	return PostgresServer(t, cfg)
}

// MySQLServer is [PostgresServer] for MySQL. It sets cfg.Dialect.
func MySQLServer(t testing.TB, cfg Config) *Server {
	t.Helper()
	cfg.Dialect = plan.DialectMySQL
	return PostgresServer(t, cfg)
}

func giveUp(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, ErrUnavailable) || inCI() {
		t.Fatal(err)
	}
	t.Skip(err)
}

func inCI() bool {
	v := os.Getenv("CI")
	return v != "" && v != "false"
}

var shared struct {
	sync.Mutex
	of map[plan.Dialect]*sharedServer
}

type sharedServer struct {
	sync.Mutex
	server *Server
	err    error
}

// Shared returns the PostgreSQL server that the whole process shares, started with the zero [Config] by the first call.
// A failure is remembered: later calls return the same error at once.
//
// Nobody has to close it. It ends with the process, however that ends; see the package documentation. Close ends it
// earlier, and the next call of Shared starts another.
func Shared(ctx context.Context) (*Server, error) { return SharedOf(ctx, plan.DialectPostgres) }

// SharedOf is [Shared] for any dialect.
func SharedOf(ctx context.Context, d plan.Dialect) (*Server, error) {
	shared.Lock()
	if shared.of == nil {
		shared.of = map[plan.Dialect]*sharedServer{}
	}
	s := shared.of[d]
	if s == nil {
		s = &sharedServer{}
		shared.of[d] = s
	}
	shared.Unlock()

	s.Lock()
	defer s.Unlock()
	if s.server != nil && s.server.isClosed() {
		s.server = nil
	}
	if s.server == nil && s.err == nil {
		s.server, s.err = Start(ctx, Config{Dialect: d})
		if err := ctx.Err(); err != nil && s.err != nil {
			s.err = nil // the caller gave up; that says nothing about the server
			return nil, fmt.Errorf("start shared server: %w", err)
		}
	}
	return s.server, s.err
}
