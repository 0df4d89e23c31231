package backfill_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/phasedb/phased/backfill"
)

// losing is a driver that loses the answers of some statements: they were done,
// and the connection is broken.
type losing struct {
	driver.Connector
	lose func(query string) bool
}

func (l losing) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := l.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return losingConn{c.(*stdlib.Conn), l.lose}, nil
}

type losingConn struct {
	*stdlib.Conn
	lose func(query string) bool
}

func (c losingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := c.Conn.ExecContext(ctx, query, args)
	if err == nil && c.lose(query) {
		c.Conn.Close()
		return nil, fmt.Errorf("read the answer: %w", io.ErrUnexpectedEOF)
	}
	return res, err
}

// A chunk whose answer was lost has been written, or not: the cursor tells.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, users)
	f.expand("0001", rename("users", "email", "email_address"))
	cfg, err := pgx.ParseConfig(f.dsn)
	if err != nil {
		t.Fatal(err)
	}
	var chunks, lost atomic.Int64
	db := sql.OpenDB(losing{stdlib.GetConnector(*cfg), func(query string) bool {
		if !strings.Contains(query, "UPDATE /* phased */") || chunks.Add(1)%4 != 0 {
			return false
		}
		lost.Add(1)
		return true
	}})
	defer db.Close()
	r, err := backfill.Run(t.Context(), db, f.config())
	if err != nil {
		t.Fatal(err)
	}
	f.verified("0001")
	if r.Rows != 1000 || r.Filled != 1000 || lost.Load() == 0 {
		t.Errorf("%d answers were lost, report %+v", lost.Load(), r)
	}
}
