package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine/postgres"
)

// shape is a kind of table whose column email is being renamed.
type shape struct {
	name   string
	email  string // an expression that gives a new value
	rows   int
	loops  int // statements of one row each
	single int // transactions of one row each
	rename plan.RenameColumn
}

var shapes = []shape{
	{name: "narrow", email: "md5(random()::text)::char(20)::text", rows: 20000, loops: 5000, single: 300},
	{name: "100 kB, out of line", email: "repeat(md5(random()::text), 3200)", rows: 100, loops: 100, single: 50},
	{name: "narrow, with expressions", email: "md5(random()::text)::char(20)::text", rows: 20000, loops: 5000, single: 300,
		rename: plan.RenameColumn{Up: "lower(email)", Down: "email_address"}},
}

// fsync and everything else that decides on the cost of a write is as a server has it
// by default. Dead rows are removed between measurements and not by autovacuum during one.
var settings = map[string]string{
	"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "wal_level": "replica", "max_wal_size": "1GB", "autovacuum": "off",
}

// BenchmarkSync measures the sync of a renamed column against the same table without
// it, rows in step.
func BenchmarkSync(b *testing.B) {
	s := scratch.PostgresServer(b, scratch.Config{Settings: settings, Dir: b.TempDir()})
	for _, sh := range shapes {
		b.Run(sh.name, func(b *testing.B) {
			for b.Loop() {
				benchSync(b, s, sh)
			}
		})
	}
}

func benchSync(b *testing.B, s *scratch.Server, sh shape) {
	ctx := b.Context()
	d, err := s.CreateDatabase(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Drop(context.WithoutCancel(ctx)) //nolint:errcheck // the server goes anyway
	conn, err := d.DB.Conn(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	exec := func(text string, args ...any) {
		b.Helper()
		if _, err := conn.ExecContext(ctx, text, args...); err != nil {
			b.Fatalf("%v\n%s", err, text)
		}
	}
	tables := []string{"synced", "plain", "control", "control2"}
	for _, t := range tables {
		exec(fmt.Sprintf(`CREATE TABLE %[1]s (id bigint PRIMARY KEY, email text, n int NOT NULL DEFAULT 0, name text, created timestamptz DEFAULT now()) WITH (fillfactor = 80);
			ALTER TABLE %[1]s ALTER email SET STORAGE EXTERNAL; INSERT INTO %[1]s (id, email, name) SELECT g, %[2]s, 'name of ' || g FROM generate_series(1, %[3]d) g`, t, sh.email, sh.rows))
		if t != "synced" {
			exec(fmt.Sprintf("ALTER TABLE %[1]s ADD email_address text; ALTER TABLE %[1]s ALTER email_address SET STORAGE EXTERNAL; UPDATE %[1]s SET email_address = email", t))
		}
	}
	expand(b, d, sh)
	exec("UPDATE synced SET n = n")

	var pid int
	if err := conn.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		b.Fatal(err)
	}
	counters := server{
		wal: func() (n int64) {
			if err := conn.QueryRowContext(ctx, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").Scan(&n); err != nil {
				b.Fatal(err)
			}
			return n
		},
		cpu: func() time.Duration { return processorTime(pid) },
	}
	rest := func() {
		for _, t := range tables {
			exec(fmt.Sprintf("DELETE FROM %s WHERE id > %d", t, sh.rows))
		}
		for _, p := range []string{"VACUUM synced", "VACUUM plain", "VACUUM control", "VACUUM control2", "CHECKPOINT"} {
			exec(p)
		}
	}
	var results []result
	bench := func(name string, rows int, work func(table string) func()) {
		r := result{name: name}
		measure(&r, counters, rest, rows, work("synced"), work("plain"))
		results = append(results, r)
	}
	bigger := func(set string) func(string) func() {
		return func(t string) func() { return func() { exec("UPDATE " + t + " SET " + set) } }
	}
	loop := func(set string) func(string) func() {
		return func(t string) func() {
			return func() {
				exec(fmt.Sprintf("DO $$ BEGIN FOR i IN 1..%d LOOP UPDATE %s SET %s WHERE id = i; END LOOP; END $$", sh.loops, t, set))
			}
		}
	}
	transactions := func(set string) func(string) func() {
		return func(t string) func() {
			stmt, err := conn.PrepareContext(ctx, fmt.Sprintf("UPDATE %s SET %s WHERE id = $1", t, set))
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
	other, email := "n = n + 1", "email = "+sh.email
	control := result{name: "control: update of another column, one statement, no sync on either side"}
	measure(&control, counters, rest, sh.rows, bigger(other)("control"), bigger(other)("control2"))
	results = append(results, control)
	// What any trigger costs: the server locks a row before it looks at WHEN.
	exec("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER nothing BEFORE UPDATE ON control FOR EACH ROW WHEN (false) EXECUTE FUNCTION nothing()")
	floor := result{name: "floor: the same with a trigger that never fires, WHEN (false)"}
	measure(&floor, counters, rest, sh.rows, bigger(other)("control"), bigger(other)("control2"))
	results = append(results, floor)

	bench("update of another column, one statement", sh.rows, bigger(other))
	whole := results[len(results)-1]
	bench("update of another column, statements of one row", sh.loops, loop(other))
	bench("update of another column, transactions of one row", sh.single, transactions(other))
	single := results[len(results)-1]
	bench("update of the column, one statement", sh.rows, bigger(email))
	bench("update of the column, statements of one row", sh.loops, loop(email))
	bench("update of the column, transactions of one row", sh.single, transactions(email))
	bench("update of the new column, one statement", sh.rows, bigger("email_address = "+sh.email))
	bench("insert, one statement", sh.rows, func(t string) func() {
		return func() {
			exec(fmt.Sprintf("INSERT INTO %[1]s (id, email, name) SELECT (SELECT max(id) FROM %[1]s) + g, %[2]s, 'name of ' || g FROM generate_series(1, %[3]d) g", t, sh.email, sh.rows))
		}
	})
	_, ratio, _ := single.ratios()
	b.ReportMetric(ratio, "ratio")
	fmt.Printf("\nserver version %d, %d pairs\n%s", d.Version, pairs, table(sh.name, results))
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
			verdict(single), verdict(whole), least)
	}
}

// expand keeps synced.email and email_address in step, as the plan says.
func expand(b *testing.B, d *scratch.Database, sh shape) {
	b.Helper()
	e := postgres.New(d.DB, nil)
	if err := e.Bootstrap(b.Context()); err != nil {
		b.Fatal(err)
	}
	c := sh.rename
	c.Table, c.From, c.To = "synced", "email", "email_address"
	p, err := e.Resolve(b.Context(), &plan.Migration{Name: "0001", Statements: []plan.Statement{{Change: c}}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, step := range p.Of(plan.PhaseExpand) {
		if _, err := d.DB.ExecContext(b.Context(), strings.Join(step.All(), ";\n")); err != nil {
			b.Fatal(err)
		}
	}
}
