package scratch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
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
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	server, err := Shared(ctx)
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
	server *Server
	err    error
}

// Shared returns the server that the whole process shares, started with the zero [Config] by the first call.
// A failure is remembered: later calls return the same error at once.
//
// Nobody has to close it. It ends with the process, however that ends; see the package documentation. Close ends it
// earlier, and the next call of Shared starts another.
func Shared(ctx context.Context) (*Server, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil && shared.server.isClosed() {
		shared.server = nil
	}
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = Start(ctx, Config{})
		if err := ctx.Err(); err != nil && shared.err != nil {
			shared.err = nil // the caller gave up; that says nothing about the server
			return nil, fmt.Errorf("start shared server: %w", err)
		}
	}
	return shared.server, shared.err
}
