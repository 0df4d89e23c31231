package expand_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/phasedb/phased/compat/scratch"
)

// counter counts round trips of statements.
type counter struct{ n atomic.Int32 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// A start with nothing to do costs one round trip and its registration.
func TestIdleStartCostsTwoStatements(t *testing.T) {
	t.Parallel()
	s := scratch.Postgres(t)
	users(t, s.DB, 1)
	up(t, s.DB, "0001_rename.sql", renameEmail)
	cfg, err := pgx.ParseConfig(s.DSN)
	if err != nil {
		t.Fatal(err)
	}
	var c counter
	cfg.Tracer = &c
	db := stdlib.OpenDB(*cfg)
	t.Cleanup(func() { db.Close() })
	m := migrator(t, db, config(), "0001_rename.sql", renameEmail)
	if err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := c.n.Load(); n != 2 {
		t.Errorf("Up with nothing to do sent %d statements, want 2: the look and the registration", n)
	}
}
