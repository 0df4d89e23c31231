package bench

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
)

// shape is a kind of table whose column email is being renamed.
type shape struct {
	name   string
	wide   bool // values of 100 kB instead of 20 characters
	rows   int
	loops  int // statements of one row each
	single int // transactions of one row each
	rename plan.RenameColumn
}

var shapes = []shape{
	{name: "narrow", rows: 20000, loops: 5000, single: 300},
	{name: "100 kB, out of line", wide: true, rows: 100, loops: 100, single: 50},
	{name: "narrow, with expressions", rows: 20000, loops: 5000, single: 300, rename: plan.RenameColumn{Up: "lower(email)", Down: "email_address"}},
}

// tables of a site: the first has the sync, the second its columns without a sync, and
// the others are like the second, to measure nothing against nothing.
var tables = []string{"synced", "plain", "control", "control2"}

// site is a database with the tables, and how its server says what is measured.
type site struct {
	conn     *sql.Conn
	counters server
	log      string   // what the redo log is called
	rest     func()   // before each pair
	email    string   // an expression that gives another value for every row
	nothing  []string // put a trigger that does nothing on control
	empty    string   // and what it is called

	loop   func(table, set string) string // a statement that updates sh.loops rows, each in a statement of its own, in one transaction
	single func(table, set string) string // a statement that updates the row whose id is its argument
	insert func(table string) string      // a statement that inserts sh.rows rows
}

// BenchmarkSync measures the sync of a renamed column against the same table without
// it, rows in step. What decides on the cost of a write is set as in production: every
// commit is on the disk before it is confirmed.
func BenchmarkSync(b *testing.B) {
	for _, server := range []struct {
		name     string
		dialect  plan.Dialect
		settings map[string]string
		site     func(*testing.B, *scratch.Database, shape) *site
	}{
		{"PostgreSQL", plan.DialectPostgres, postgresSettings, postgresSite},
		{"MariaDB", plan.DialectMariaDB, mysqlSettings, mysqlSite},
		{"MySQL", plan.DialectMySQL, mysqlSettings, mysqlSite},
	} {
		b.Run(server.name, func(b *testing.B) {
			if server.dialect == plan.DialectMySQL && !scratch.Available(server.dialect) {
				b.Skip("no MySQL at hand")
			}
			s := scratch.PostgresServer(b, scratch.Config{Dialect: server.dialect, Settings: server.settings, Dir: b.TempDir()})
			for _, sh := range shapes {
				b.Run(sh.name, func(b *testing.B) {
					for b.Loop() {
						benchSync(b, s, sh, server.name, server.site)
					}
				})
			}
		})
	}
}

func benchSync(b *testing.B, s *scratch.Server, sh shape, name string, open func(*testing.B, *scratch.Database, shape) *site) {
	ctx := b.Context()
	d, err := s.CreateDatabase(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Drop(context.WithoutCancel(ctx)) //nolint:errcheck // the server goes anyway
	x := open(b, d, sh)
	defer x.conn.Close()
	run := func(text string) func() { return func() { execute(b, x.conn, text) } }

	var results []result
	compare := func(name string, rows int, with, without func()) result {
		r := result{name: name}
		measure(&r, x.counters, x.rest, rows, with, without)
		results = append(results, r)
		return r
	}
	whole := func(set string) func(string) func() {
		return func(t string) func() { return run("UPDATE " + t + " SET " + set) }
	}
	loop := func(set string) func(string) func() {
		return func(t string) func() { return run(x.loop(t, set)) }
	}
	single := func(set string) func(string) func() {
		return func(t string) func() {
			stmt, err := x.conn.PrepareContext(ctx, x.single(t, set))
			if err != nil {
				b.Fatal(err)
			}
			return func() {
				for i := range sh.single {
					if _, err := stmt.ExecContext(ctx, i+1); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
	}
	bench := func(name string, rows int, work func(table string) func()) result {
		return compare(name, rows, work("synced"), work("plain"))
	}

	const other = "n = n + 1"
	compare("control: update of another column, one statement, no sync on either side", sh.rows, whole(other)("control"), whole(other)("control2"))
	for _, text := range x.nothing {
		execute(b, x.conn, text)
	}
	floor := compare("floor: the same with "+x.empty, sh.rows, whole(other)("control"), whole(other)("control2"))
	compare("floor: transactions of one row with "+x.empty, sh.single, single(other)("control"), single(other)("control2"))
	otherWhole := bench("update of another column, one statement", sh.rows, whole(other))
	bench("update of another column, statements of one row", sh.loops, loop(other))
	otherSingle := bench("update of another column, transactions of one row", sh.single, single(other))
	bench("update of the column, one statement", sh.rows, whole("email = "+x.email))
	bench("update of the column, statements of one row", sh.loops, loop("email = "+x.email))
	bench("update of the column, transactions of one row", sh.single, single("email = "+x.email))
	bench("update of the new column, one statement", sh.rows, whole("email_address = "+x.email))
	bench("insert, one statement", sh.rows, func(t string) func() { return run(x.insert(t)) })

	_, ratio, _ := otherSingle.ratios()
	b.ReportMetric(ratio, "ratio")
	fmt.Printf("\n%s, server version %d, %d pairs\n%s", name, d.Version, pairs, table(sh.name, x.log, results))
	if sh.name == "narrow" {
		verdict := func(r result) string {
			_, m, _ := r.ratios()
			if m > 1.2 {
				return fmt.Sprintf("NO (%.2f)", m)
			}
			return fmt.Sprintf("yes (%.2f)", m)
		}
		_, least, _ := floor.ratios()
		fmt.Printf("update of another column, narrow, costs at most 1.2: a transaction a row, as clients write: %s; one statement for all rows: %s, where an empty trigger costs %.2f\n",
			verdict(otherSingle), verdict(otherWhole), least)
	}
}

func execute(b *testing.B, c *sql.Conn, text string) {
	b.Helper()
	if _, err := c.ExecContext(b.Context(), text); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
}

// ask gives a number.
func ask(b *testing.B, c *sql.Conn, query string) (n int64) {
	b.Helper()
	if err := c.QueryRowContext(b.Context(), query).Scan(&n); err != nil {
		b.Fatalf("%v\n%s", err, query)
	}
	return n
}

func connect(b *testing.B, d *scratch.Database) *sql.Conn {
	b.Helper()
	c, err := d.DB.Conn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return c
}
