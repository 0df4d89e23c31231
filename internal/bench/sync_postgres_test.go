package bench

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine/postgres"
)

// Dead rows are removed between measurements and not by autovacuum during one.
var postgresSettings = map[string]string{
	"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "wal_level": "replica", "max_wal_size": "1GB", "autovacuum": "off",
}

func postgresSite(b *testing.B, d *scratch.Database, sh shape) *site {
	b.Helper()
	c := connect(b, d)
	x := &site{conn: c, log: "WAL", email: "md5(random()::text)::char(20)::text"}
	if sh.wide {
		x.email = "repeat(md5(random()::text), 3200)"
	}
	for _, t := range tables {
		execute(b, c, fmt.Sprintf(`CREATE TABLE %[1]s (id bigint PRIMARY KEY, email text, n int NOT NULL DEFAULT 0, name text, created timestamptz DEFAULT now()) WITH (fillfactor = 80);
			ALTER TABLE %[1]s ALTER email SET STORAGE EXTERNAL; INSERT INTO %[1]s (id, email, name) SELECT g, %[2]s, 'name of ' || g FROM generate_series(1, %[3]d) g`, t, x.email, sh.rows))
		if t != "synced" {
			execute(b, c, fmt.Sprintf("ALTER TABLE %[1]s ADD email_address text; ALTER TABLE %[1]s ALTER email_address SET STORAGE EXTERNAL; UPDATE %[1]s SET email_address = email", t))
		}
	}
	expandOnPostgres(b, d, sh)
	execute(b, c, "UPDATE synced SET n = n")

	pid := int(ask(b, c, "SELECT pg_backend_pid()"))
	x.counters = server{
		log: func() int64 { return ask(b, c, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint") },
		cpu: func() time.Duration { return processorTime(pid) },
	}
	x.rest = func() {
		for _, t := range tables {
			execute(b, c, fmt.Sprintf("DELETE FROM %s WHERE id > %d", t, sh.rows))
		}
		for _, t := range tables {
			execute(b, c, "VACUUM "+t)
		}
		execute(b, c, "CHECKPOINT")
	}
	// What any trigger costs: the server locks a row before it looks at WHEN.
	x.empty = "a trigger that never fires, WHEN (false)"
	x.nothing = []string{"CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
		"CREATE TRIGGER nothing BEFORE UPDATE ON control FOR EACH ROW WHEN (false) EXECUTE FUNCTION nothing()"}
	x.loop = func(t, set string) string {
		return fmt.Sprintf("DO $$ BEGIN FOR i IN 1..%d LOOP UPDATE %s SET %s WHERE id = i; END LOOP; END $$", sh.loops, t, set)
	}
	x.single = func(t, set string) string { return fmt.Sprintf("UPDATE %s SET %s WHERE id = $1", t, set) }
	x.insert = func(t string) string {
		return fmt.Sprintf("INSERT INTO %[1]s (id, email, name) SELECT (SELECT max(id) FROM %[1]s) + g, %[2]s, 'name of ' || g FROM generate_series(1, %[3]d) g", t, x.email, sh.rows)
	}
	return x
}

// expandOnPostgres keeps synced.email and email_address in step, as the plan says.
func expandOnPostgres(b *testing.B, d *scratch.Database, sh shape) {
	b.Helper()
	e := postgres.New(d.DB, d.PastPooler(), nil)
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
