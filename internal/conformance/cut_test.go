package conformance

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/contract"
	"github.com/phasedb/phased/expand"
)

// cutter is the way to a server that breaks once: behind the n-th packet that a client
// sends, before or after the server has got it, every connection is closed.
type cutter struct {
	at   int64 // 0: never
	late bool  // the packet still goes to the server
	sent atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (c *cutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns[conn] = true
	return &breaking{conn, c}, nil
}

// breaking is one connection of a cutter's.
type breaking struct {
	net.Conn
	c *cutter
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.c.sent.Add(1) != b.c.at {
		return b.Conn.Write(p)
	}
	n, err := len(p), error(nil)
	if b.c.late {
		if n, err = b.Conn.Write(p); err == nil {
			time.Sleep(20 * time.Millisecond) // the server works on it
		}
	}
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	for conn := range b.c.conns {
		conn.Close()
	}
	clear(b.c.conns)
	if err == nil && !b.c.late {
		err = io.ErrClosedPipe
	}
	return n, err
}

// through gives pools whose connections go through a cutter: the second one leads past
// the pooler that the tests may run behind, and is nil where there is none.
func (w *world) through(c *cutter) (db, direct *sql.DB) {
	w.Helper()
	c.conns = map[net.Conn]bool{}
	if w.direct != nil {
		direct = w.dialled(c, w.directDSN)
	}
	return w.dialled(c, w.dsn), direct
}

func (w *world) dialled(c *cutter, dsn string) *sql.DB {
	w.Helper()
	var db *sql.DB
	if w.postgres() {
		cfg, err := pgx.ParseConfig(dsn)
		w.must(err)
		cfg.DialFunc = c.dial
		db = stdlib.OpenDB(*cfg)
	} else {
		cfg, err := driver.ParseDSN(dsn)
		w.must(err)
		cfg.DialFunc, cfg.Logger = c.dial, &driver.NopLogger{}
		connector, err := driver.NewConnector(cfg)
		w.must(err)
		db = sql.OpenDB(connector)
	}
	w.Cleanup(func() { db.Close() })
	return db
}

// wholeLife leads a rename to its end; called again, it goes on.
func (w *world) wholeLife(ctx context.Context, db, direct *sql.DB) error {
	migration := file(rename, emailToAddress())
	migration.Directives.Contracts = []string{rename} // the same build starts again once the old side is hidden
	cfg := w.config(migration)
	cfg.Lease, cfg.Direct = time.Second, direct
	m, err := expand.New(db, fstest.MapFS{}, cfg)
	if err != nil {
		return err
	}
	defer m.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the connection may be gone
	if err := m.Up(ctx); err != nil {
		return err
	}
	if _, err := backfill.Run(ctx, db, backfill.Config{MinRows: 1, MaxRows: 10, Direct: direct, Lease: time.Second, Logger: w.logger()}); err != nil {
		return err
	}
	for _, half := range []contract.Half{contract.HalfHide, contract.HalfDrop} {
		if _, err := contract.Run(ctx, db, contract.Config{Migration: rename, Half: half, AssumeGone: "a test", Direct: direct, Logger: w.logger()}); err != nil {
			return err
		}
	}
	return nil
}

// Wherever the connections break, in the middle of any step, the next run finishes, and
// the end is that of an undisturbed run.
func TestConnectionsCutAnywhere(t *testing.T) {
	cuts := 3 // of each kind, spread over a life; PHASED_CUTS=200 for more
	if n, err := strconv.Atoi(os.Getenv("PHASED_CUTS")); err == nil {
		cuts = n
	}
	each(t, func(w *world) {
		prepare := func(w *world) {
			w.found(append(append([]string{}, rich...), "INSERT INTO domains VALUES ('u0'), ('u1'), ('u2'), ('u3'), ('u4'), ('u5'), ('u6'), ('nobody')")...)
			w.people(30)
		}
		prepare(w)
		whole := &cutter{}
		db, direct := w.through(whole)
		w.must(w.wholeLife(w.Context(), db, direct))
		want, total := w.shape(), whole.sent.Load()
		for i := range 2 * cuts {
			at := 1 + total*int64(i/2)/int64(cuts)
			w.Run(fmt.Sprintf("behind packet %d, %t", at, i%2 == 1), func(t *testing.T) {
				one := w.other()
				one.T = t
				prepare(one)
				db, direct := one.through(&cutter{at: at, late: i%2 == 1})
				var err error
				for try := 0; try < 5; try++ {
					if err = one.wholeLife(t.Context(), db, direct); err == nil {
						break
					}
				}
				if err != nil {
					t.Fatalf("not finished: %v", err)
				}
				one.is("the schema", one.shape(), want)
				one.is("the rows", one.rows("SELECT COUNT(*) FROM users WHERE email_address = 'u1'"), "5")
				one.stands(rename, "dropped")
			})
		}
	})
}
