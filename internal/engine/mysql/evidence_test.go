package mysql_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/mysql"
)

// eachServer runs fn with a database on a server of its own, with these settings: what
// a server counts, it counts for all its databases.
func eachServer(t *testing.T, settings map[string]string, fn func(t *testing.T, w *world)) {
	eachEmpty(t, func(t *testing.T, shared *world) {
		s := scratch.PostgresServer(t, scratch.Config{Dialect: shared.dialect, Source: scratch.SourceBinaries, Settings: settings})
		d, err := s.CreateDatabase(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Drop(context.Background()); err != nil {
				t.Error(err)
			}
		})
		w := &world{t, mysql.New(d.DB, d.Dialect, nil), d.DB, d.DSN, d.Name, d.Dialect}
		w.must(w.eng.Bootstrap(t.Context()))
		fn(t, w)
	})
}

func (w *world) reads(p *plan.Plan) engine.Evidence {
	w.Helper()
	seen, err := w.eng.Evidence(w.Context(), p)
	if err != nil || len(seen) != 1 || seen[0].Kind != "reads" {
		w.Fatalf("%+v, %v", seen, err)
	}
	return seen[0]
}

// one gives a function that runs a statement on a session of its own, and returns when
// the server has counted it: it answers first and counts then.
func (w *world) one(change func(*driver.Config)) func(statement string, args ...any) {
	w.Helper()
	c, err := w.wire(change).db.Conn(w.Context())
	w.must(err)
	w.Cleanup(func() { c.Close() })
	return func(statement string, args ...any) {
		w.Helper()
		rows, err := c.QueryContext(w.Context(), statement, args...)
		if err != nil {
			w.Fatalf("%v\n%s", err, statement)
		}
		w.must(rows.Close())
		w.must(c.PingContext(w.Context()))
	}
}

func TestEvidence(t *testing.T) {
	eachServer(t, map[string]string{"performance_schema": "ON"}, func(t *testing.T, w *world) {
		other := "other_" + w.name[len(w.name)-12:]
		w.exec("CREATE DATABASE "+other, "CREATE TABLE "+other+".users (id int, email varchar(50))")
		w.Cleanup(func() { _, _ = w.db.Exec("DROP DATABASE " + other) })
		w.exec("CREATE TABLE users (id int PRIMARY KEY, email "+varchar+", mail "+varchar+", n int, `day` int, d2 int)", "CREATE TABLE mails (id int, email int)", "CREATE VIEW v AS SELECT id, email FROM users",
			"CREATE PROCEDURE p() SELECT email FROM users")
		token := w.lease("a")
		p := w.renaming(token, "0001", "users", "email", "mail", varchar)
		day := w.planned("0002")
		day.Migration.Statements = []plan.Statement{{Change: plan.DropColumn{Table: "users", Column: "day"}}}
		w.must(w.eng.Begin(t.Context(), token, day, engine.StateVerified))
		if seen, err := w.eng.Evidence(t.Context(), w.planned("0003")); err != nil || len(seen) != 0 {
			t.Errorf("of a plan that takes no name away: %+v, %v", seen, err)
		}

		// What was never remembered has been still for no time at all.
		v := w.reads(p)
		if !v.Available || v.ChangedAgo != 0 {
			t.Fatalf("%+v", v)
		}
		w.must(w.eng.Remember(t.Context(), p, []engine.Evidence{v}))
		w.exec("UPDATE phased_evidence SET changed_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR")
		for range 2 {
			if v = w.reads(p); v.ChangedAgo < time.Hour || v.ChangedAgo > 2*time.Hour {
				t.Fatalf("%+v", v)
			}
			w.must(w.eng.Remember(t.Context(), p, []engine.Evidence{v}))
		}
		w.must(w.eng.Remember(t.Context(), day, []engine.Evidence{w.reads(day)}))

		plain := w.one(func(cfg *driver.Config) { cfg.InterpolateParams = true })
		for _, tt := range []struct {
			plan *plan.Plan
			sql  string
			args []any
			want bool
		}{
			{p, "SELECT id, email FROM users WHERE id = 1", nil, true},
			{p, "SELECT id, email FROM users WHERE id = 1", nil, true}, // again
			{p, "select u.EMAIL /* a comment */ from users u", nil, true},
			{p, "/* a comment */ (SELECT `email` FROM `users`)", nil, true},
			{p, "INSERT INTO users (id, email) VALUES (7, 'x'), (8, 'y')", nil, true},
			{p, "UPDATE users SET email = 'z' WHERE id = 7", nil, true},
			{p, "DELETE FROM users WHERE email = 'z'", nil, true},
			{p, "REPLACE INTO users SET id = 9, email = 'x'", nil, true},
			{p, "WITH w AS (SELECT email FROM users) SELECT * FROM w", nil, true},
			{p, "SELECT mail, email FROM users", nil, true}, // who reads both needs the old one too
			{p, "SELECT email FROM users WHERE id = ?", []any{1}, true},
			{p, "SELECT id FROM users", nil, false},
			{p, "SELECT * FROM users", nil, false}, // names nothing
			{p, "SELECT mail AS e FROM users WHERE mail = 'email users'", nil, false},
			{p, "SELECT email FROM mails", nil, false},
			{p, "SELECT id, email FROM v", nil, false}, // a dependent
			{p, "CALL p()", nil, false},
			{p, "ALTER TABLE users ALTER COLUMN email SET DEFAULT 'x'", nil, false},
			{p, "CREATE INDEX later ON users (email)", nil, false},
			{p, "EXPLAIN SELECT email FROM users", nil, false},
			{p, "UPDATE `users` AS `phased row` SET `phased row`.`mail` = `phased row`.`email` WHERE id = 1", nil, false}, // ours
			{p, "SELECT email FROM " + other + ".users", nil, true},                                                       // it cannot be told which of the two
			{day, "SELECT day FROM users", nil, true},
			{day, "SELECT d2 FROM users", nil, false},
			{day, "SELECT `day` FROM users", nil, true},
		} {
			before := w.reads(tt.plan)
			plain(tt.sql, tt.args...)
			after := w.reads(tt.plan)
			if (before.Value != after.Value) != tt.want {
				t.Errorf("%s: %s, then %s", tt.sql, before.Value, after.Value)
			}
			if tt.want && (after.Sample == "" || after.ChangedAgo != 0) {
				t.Errorf("%s: %+v", tt.sql, after)
			}
		}

		// From a session with another current database, or none.
		before := w.reads(p)
		elsewhere := w.one(func(cfg *driver.Config) { cfg.DBName = other })
		for _, run := range []func(string, ...any){w.one(func(cfg *driver.Config) { cfg.DBName = "" }), elsewhere} {
			run("SELECT email FROM `" + w.name + "`.users")
			after := w.reads(p)
			if before.Value == after.Value {
				t.Errorf("from elsewhere: %s, then %s", before.Value, after.Value)
			}
			before = after
		}
		elsewhere("SELECT email FROM users")
		is(w, "of another database", w.reads(p).Value, before.Value)

		// Prepared statements: MySQL counts them, MariaDB shows those that are open.
		c, err := w.db.Conn(t.Context())
		w.must(err)
		defer c.Close()
		st, err := c.PrepareContext(t.Context(), "SELECT email FROM users WHERE id = ?")
		w.must(err)
		before = w.reads(p)
		for range 3 {
			rows, err := st.QueryContext(t.Context(), 1)
			w.must(err)
			w.must(rows.Close())
		}
		w.must(c.PingContext(t.Context()))
		after := w.reads(p)
		if before.Value == after.Value || after.Sample == "" {
			t.Errorf("prepared: %+v, then %+v", before, after)
		}
		if w.mariadb() {
			w.must(w.eng.Remember(t.Context(), p, []engine.Evidence{after}))
			if v := w.reads(p); v.ChangedAgo != 0 {
				t.Errorf("while it is open: %+v", v)
			}
		}
		w.must(st.Close())
		w.must(c.PingContext(t.Context()))
		before = w.reads(p)
		w.one(func(*driver.Config) {})("SELECT email FROM users WHERE id = ? AND n = 1", 1) // prepared, executed and closed
		after = w.reads(p)
		if (before.Value == after.Value) != w.mariadb() || w.mariadb() != strings.Contains(after.Why, "MariaDB does not count prepared statements") {
			t.Errorf("prepared and closed: %+v, then %+v", before, after)
		}

		// The statistics are reset: that differs too.
		w.must(w.eng.Remember(t.Context(), p, []engine.Evidence{after}))
		w.exec("UPDATE phased_evidence SET changed_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR", "TRUNCATE performance_schema.events_statements_summary_by_digest")
		if v := w.reads(p); v.ChangedAgo != 0 || v.Sample != "" {
			t.Errorf("after a reset: %+v", v)
		}

		// An account that may not look says what to grant.
		x, account := w.as("ALL")
		seen, err := x.eng.Evidence(t.Context(), p)
		w.must(err)
		if v := seen[0]; v.Available || !strings.Contains(v.Why, "GRANT SELECT ON performance_schema.*") {
			t.Errorf("%+v", v)
		}
		w.must(x.eng.Remember(t.Context(), p, seen))
		w.exec("GRANT SELECT ON performance_schema.* TO " + account)
		x.db.SetMaxIdleConns(0)
		if seen, err = x.eng.Evidence(t.Context(), p); err != nil || !seen[0].Available {
			t.Errorf("%+v, %v", seen, err)
		}

		for _, tt := range []struct{ off, on, why string }{
			{"UPDATE performance_schema.setup_consumers SET ENABLED = 'NO' WHERE NAME = 'statements_digest'", "UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME = 'statements_digest'", "setup_consumers"},
			{"UPDATE performance_schema.setup_instruments SET ENABLED = 'NO' WHERE NAME = 'statement/sql/select'", "UPDATE performance_schema.setup_instruments SET ENABLED = 'YES' WHERE NAME = 'statement/sql/select'", "setup_instruments"},
		} {
			w.exec(tt.off)
			if v := w.reads(p); v.Available || !strings.Contains(v.Why, tt.why) {
				t.Errorf("%+v", v)
			}
			w.exec(tt.on)
		}
	})
}

// A server that has performance_schema off, as MariaDB has by itself.
func TestEvidenceWhereNothingIsCounted(t *testing.T) {
	eachServer(t, map[string]string{"performance_schema": "OFF"}, func(t *testing.T, w *world) {
		if v := w.reads(w.dropping("users", "email")); v.Available || !strings.Contains(v.Why, "performance_schema is OFF; set performance_schema = ON") {
			t.Errorf("%+v", v)
		}
	})
}

// A server that keeps the beginning of a statement, and few of them.
func TestEvidenceWhereNotAllIsTold(t *testing.T) {
	eachServer(t, map[string]string{"performance_schema": "ON", "max_digest_length": "200", "performance_schema_max_digest_length": "200", "performance_schema_digests_size": "100"}, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE users (id int PRIMARY KEY, email int, n int, a_long_name_for_a_column int)", "TRUNCATE performance_schema.events_statements_summary_by_digest")
		p := w.dropping("users", "email")
		run := w.one(func(*driver.Config) {})
		long := strings.TrimSuffix(strings.Repeat("a_long_name_for_a_column, ", 12), ", ")
		before := w.reads(p)
		run("SELECT email, " + long + " FROM users")
		after := w.reads(p)
		if before.Value == after.Value {
			t.Errorf("the column is in what is kept: %+v, then %+v", before, after)
		}
		w.exec("SELECT " + long + ", email FROM users")
		if v := w.reads(p); v.Value != after.Value || !strings.Contains(v.Why, "only the beginning is known") {
			t.Errorf("it is not: %+v", v)
		}
		for i := range 120 {
			run(fmt.Sprintf("SELECT id AS a%d FROM users", i))
		}
		if v := w.reads(p); !v.Available || !strings.Contains(v.Why, "table of statements is full") {
			t.Errorf("%+v", v)
		}
	})
}
