package mysql_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engine/mysql"
)

func TestInvalid(t *testing.T) {
	tests := []struct {
		name string
		harm []string
		want string
	}{
		{"all there", nil, ""},
		{"finishing step undone", []string{"DROP INDEX `users_email~new` ON users"}, "not done: build index users_email~new; index users_email of users has no counterpart on column mail"},
		{"index on the old side only", []string{`CREATE INDEX later ON users (n, email)`}, "index later of users has no counterpart on column mail"},
		{"unique on the old side, plain on the new", []string{`CREATE UNIQUE INDEX later ON users (n, email)`, `CREATE INDEX later2 ON users (n, mail)`}, "later of users has no counterpart"},
		{"plain on the old side, unique on the new", []string{`CREATE INDEX later ON users (n, email)`, `CREATE UNIQUE INDEX later2 ON users (n, mail)`}, ""},
		{"index on both sides", []string{`CREATE INDEX later ON users (n, email)`, `CREATE INDEX later2 ON users (n, mail)`}, ""},
		{"in another order", []string{`CREATE INDEX later ON users (n, email)`, `CREATE INDEX later2 ON users (mail, n)`}, "later of users has no counterpart"},
		{"of another length", []string{`CREATE INDEX later ON users (email(10))`, `CREATE INDEX later2 ON users (mail(5))`}, "later of users has no counterpart"},
		{"descending", []string{`CREATE INDEX later ON users (n, email DESC)`, `CREATE INDEX later2 ON users (n, mail)`}, "later of users has no counterpart"},
		{"not used by the server", []string{`CREATE INDEX later ON users (n, email)`, `CREATE INDEX later2 ON users (n, mail) INVISIBLE`}, "later of users has no counterpart"},
		{"fulltext", []string{`CREATE FULLTEXT INDEX later ON users (email)`}, "later of users has no counterpart"},
		{"foreign key on the old side only", []string{`ALTER TABLE users ADD CONSTRAINT fk FOREIGN KEY (email) REFERENCES mails (email)`}, "foreign key fk of users has no counterpart"},
		{"foreign keys on both sides", []string{`ALTER TABLE users ADD CONSTRAINT fk FOREIGN KEY (email) REFERENCES mails (email) ON DELETE NO ACTION`, `ALTER TABLE users ADD CONSTRAINT fk2 FOREIGN KEY (mail) REFERENCES mails (email)`}, ""},
		{"foreign key that does something else", []string{`ALTER TABLE users ADD CONSTRAINT fk FOREIGN KEY (email) REFERENCES mails (email)`, `ALTER TABLE users ADD CONSTRAINT fk2 FOREIGN KEY (mail) REFERENCES mails (email) ON DELETE CASCADE`}, "foreign key fk of users has no counterpart"},
	}
	eachEmpty(t, func(t *testing.T, world *world) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, world.dialect)
				w.must(w.eng.Bootstrap(t.Context()))
				w.exec(`CREATE TABLE users (id int PRIMARY KEY, email `+varchar+`, mail `+varchar+`, n int, UNIQUE users_email (email))`, `CREATE TABLE mails (email `+varchar+` PRIMARY KEY)`,
					"CREATE UNIQUE INDEX `users_email~new` ON users (mail)")
				p := w.renaming(w.lease("a"), "0001", "users", "email", "mail", varchar)
				finish := step(plan.PhaseFinish, "CREATE UNIQUE INDEX `users_email~new` ON users (mail)")
				finish.Title = "build index users_email~new"
				finish.Done = "SELECT EXISTS (SELECT 1 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'users' AND INDEX_NAME = 'users_email~new')"
				p.Steps = append(p.Steps, finish)
				for _, s := range tt.harm {
					if w.mariadb() {
						s = strings.Replace(s, "INVISIBLE", "IGNORED", 1)
					}
					w.exec(s)
				}
				got, err := w.eng.Invalid(t.Context(), p)
				w.must(err)
				if all := strings.Join(got, "; "); (all == "") != (tt.want == "") || !strings.Contains(all, tt.want) {
					t.Errorf("want %q, got %q", tt.want, got)
				}
				w.exec("ALTER TABLE users RENAME COLUMN email TO `email~hidden`", "UPDATE phased_link SET hidden = 1")
				if again, err := w.eng.Invalid(t.Context(), p); err != nil || !slices.Equal(got, again) {
					t.Errorf("hidden it is %q, %v; before it was %q", again, err, got)
				}
			})
		}
	})
}

func TestPrepared(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(`CREATE TABLE users (id int PRIMARY KEY)`)
		c, err := w.wire().db.Conn(t.Context())
		w.must(err)
		defer c.Close()
		run := func(c *sql.Conn, statements ...string) {
			t.Helper()
			for _, s := range statements {
				if _, err := c.ExecContext(t.Context(), s); err != nil {
					t.Fatalf("%v\n%s", err, s)
				}
			}
		}
		// Other tests' transactions are seen too: the question is about the whole server.
		mine := func() string {
			t.Helper()
			got, err := w.eng.Prepared(t.Context(), w.planned("0001"))
			w.must(err)
			return strings.Join(slices.DeleteFunc(got, func(x string) bool { return !strings.Contains(x, w.name) }), "; ")
		}
		is(w, "none", mine(), "")
		id := "'" + w.name + "','',7"
		run(c, "XA START "+id, "INSERT INTO users VALUES (1)", "XA END "+id, "XA PREPARE "+id)
		is(w, "prepared", mine(), id)

		// One that ends within the wait does not count; one with any bytes in its name is told.
		d, err := w.wire().db.Conn(t.Context())
		w.must(err)
		defer d.Close()
		short := "'" + w.name + " short','b',1"
		run(d, "XA START "+short, "INSERT INTO users VALUES (2)", "XA END "+short, "XA PREPARE "+short)
		ended := later(func() error {
			time.Sleep(time.Second)
			_, err := d.ExecContext(t.Context(), "XA COMMIT "+short)
			return err
		})
		is(w, "prepared for longer", mine(), id)
		w.must(<-ended)
		odd := fmt.Sprintf("X'%x',X'00ff27',1", w.name+"'\\")
		run(d, "XA START "+odd, "INSERT INTO users VALUES (3)", "XA END "+odd, "XA PREPARE "+odd)
		got, err := w.eng.Prepared(t.Context(), w.planned("0001"))
		w.must(err)
		if !slices.Contains(got, odd) {
			t.Errorf("%q, want also %q", got, odd)
		}
		run(d, "XA ROLLBACK "+odd)

		// Who may not ask is told nothing, and the DDL that has to wait says so.
		x, _ := w.as("ALL")
		got, err = x.eng.Prepared(t.Context(), w.planned("0001"))
		if err != nil || w.mariadb() == (len(got) == 0) {
			t.Errorf("%q, %v", got, err)
		}
		run(c, "XA COMMIT "+id)
	})
}

// The server keeps the lock of a prepared transaction, also when it was killed: so what
// was prepared before a change began has ended when its first step goes through.
func TestPreparedKeepsDDLOut(t *testing.T) {
	eachEmpty(t, func(t *testing.T, w *world) {
		s := scratch.PostgresServer(t, scratch.Config{Dialect: w.dialect, Source: scratch.SourceBinaries})
		d, err := s.CreateDatabase(t.Context())
		w.must(err)
		c, err := d.DB.Conn(t.Context())
		w.must(err)
		for _, q := range []string{"CREATE TABLE users (id int PRIMARY KEY)", "XA START 'a'", "INSERT INTO users VALUES (1)", "XA END 'a'", "XA PREPARE 'a'"} {
			if _, err := c.ExecContext(t.Context(), q); err != nil {
				t.Fatal(q, err)
			}
		}
		c.Close()
		w.must(s.Kill())
		w.must(s.Restart(t.Context()))
		eng := mysql.New(d.DB, w.dialect, nil)
		got, err := eng.Prepared(t.Context(), w.planned("0001"))
		if err != nil || !slices.Equal(got, []string{"'a','',1"}) {
			t.Errorf("%q, %v", got, err)
		}
		c, err = d.DB.Conn(t.Context())
		w.must(err)
		defer c.Close()
		for _, q := range []string{"SET lock_wait_timeout = 1", "SET innodb_lock_wait_timeout = 1"} {
			if _, err := c.ExecContext(t.Context(), q); err != nil {
				t.Fatal(q, err)
			}
		}
		if _, err := c.ExecContext(t.Context(), "ALTER TABLE users ADD COLUMN n int, ALGORITHM=INSTANT"); !eng.LockTimeout(err) {
			t.Errorf("DDL beside a prepared transaction: %v", err)
		}
		_, err = c.ExecContext(t.Context(), "XA ROLLBACK 'a'")
		w.must(err)
	})
}

func TestFirstContract(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first, apps, err := w.eng.FirstContract(t.Context())
		if err != nil || !first || len(apps) != 0 {
			t.Errorf("%v %q %v", first, apps, err)
		}
		for i, app := range []string{"billing", "app ü", "billing"} {
			w.must(w.eng.Register(t.Context(), engine.Instance{ID: fmt.Sprint(i), App: app, Lifetime: time.Minute}))
		}
		token := w.lease("a")
		w.begin(token, "0001")
		w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateHidden, ""))
		first, apps, err = w.eng.FirstContract(t.Context())
		if err != nil || first || !slices.Equal(apps, []string{"app ü", "billing"}) {
			t.Errorf("%v %q %v", first, apps, err)
		}
	})
}

func TestLoss(t *testing.T) {
	tests := []struct {
		name   string
		column plan.AddColumn
		sql    string // of the column
		rows   []string
		want   bool
	}{
		{"nothing written", plan.AddColumn{Type: "int"}, "int", nil, false},
		{"a value", plan.AddColumn{Type: "int"}, "int", []string{"UPDATE users SET c = 0 WHERE id = 2"}, true},
		{"its default", plan.AddColumn{Type: "varchar(10)", Default: "'new'"}, "varchar(10) DEFAULT 'new'", nil, false},
		{"null for a default", plan.AddColumn{Type: "varchar(10)", Default: "'new'"}, "varchar(10) DEFAULT 'new'", []string{"UPDATE users SET c = NULL"}, true},
		{"another case than the default", plan.AddColumn{Type: "varchar(10)", Default: "'new'"}, "varchar(10) DEFAULT 'new'", []string{"UPDATE users SET c = 'NEW'"}, true},
		{"with a space behind the default", plan.AddColumn{Type: "varchar(10)", Default: "'new'"}, "varchar(10) DEFAULT 'new'", []string{"UPDATE users SET c = 'new '"}, true},
		{"another character set", plan.AddColumn{Type: "varchar(10)", Default: "'ü'"}, "varchar(10) CHARACTER SET latin1 DEFAULT 'ü'", nil, false},
		{"a number as a default", plan.AddColumn{Type: "decimal(10,2)", Default: "1", NotNull: true}, "decimal(10,2) NOT NULL DEFAULT 1", nil, false},
		{"another number", plan.AddColumn{Type: "decimal(10,2)", Default: "1", NotNull: true}, "decimal(10,2) NOT NULL DEFAULT 1", []string{"UPDATE users SET c = 1.01"}, true},
		{"not null without a default", plan.AddColumn{Type: "int", NotNull: true}, "int NOT NULL", nil, false},
		{"a number in it", plan.AddColumn{Type: "int", NotNull: true}, "int NOT NULL", []string{"UPDATE users SET c = 1 WHERE id = 2"}, true},
		{"text not null without a default", plan.AddColumn{Type: "varchar(10)", NotNull: true}, "varchar(10) NOT NULL", nil, false},
		{"a space in it", plan.AddColumn{Type: "varchar(10)", NotNull: true}, "varchar(10) NOT NULL", []string{"UPDATE users SET c = ' '"}, true},
		{"cannot be told: careful", plan.AddColumn{Type: "datetime", Default: "CURRENT_TIMESTAMP"}, "datetime DEFAULT CURRENT_TIMESTAMP", []string{"UPDATE users SET c = '2001-01-01'"}, true},
		{"no rows", plan.AddColumn{Type: "datetime", Default: "CURRENT_TIMESTAMP"}, "datetime DEFAULT CURRENT_TIMESTAMP", []string{"DELETE FROM users"}, false},
		{"gone already", plan.AddColumn{Type: "int"}, "int", []string{"UPDATE users SET c = 1", "ALTER TABLE users DROP COLUMN c"}, false},
		{"table gone already", plan.AddColumn{Type: "int"}, "int", []string{"DROP TABLE users"}, false},
	}
	each(t, func(t *testing.T, w *world) {
		x := w.wire(hostile)
		for _, tt := range tests {
			w.exec("DROP TABLE IF EXISTS users", "CREATE TABLE users (id int PRIMARY KEY)", "INSERT INTO users VALUES (1), (2)", "ALTER TABLE users ADD COLUMN c "+tt.sql)
			w.exec(tt.rows...)
			tt.column.Table, tt.column.Column = "users", "c"
			p := w.planned("0001")
			p.Migration.Statements = []plan.Statement{{Change: tt.column}}
			lost, err := x.eng.Loss(t.Context(), p)
			if err != nil || (len(lost) > 0) != tt.want || tt.want && lost[0] != "rows of users hold values in c, which would go with the column" {
				t.Errorf("%s: %q, %v", tt.name, lost, err)
			}
		}
		p := w.planned("0001")
		p.Migration.Statements = []plan.Statement{{Change: plan.CreateTable{Name: "it`s"}}, {Change: plan.RenameColumn{Table: "users", From: "a", To: "b"}}}
		for _, tt := range []struct {
			statement string
			want      string
		}{{"SELECT 1", "[]"}, {"CREATE TABLE `it``s` (id int)", "[]"}, {"INSERT INTO `it``s` VALUES (1)", "[table it`s holds rows]"}} {
			w.exec(tt.statement)
			lost, err := x.eng.Loss(t.Context(), p)
			w.must(err)
			is(w, tt.statement, fmt.Sprint(lost), tt.want)
		}
	})
}

// A look that takes too long takes the careful answer.
func TestLossGivesUp(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE users (id int PRIMARY KEY, c int)")
		table := w.holding("SELECT * FROM users")
		altering := later(func() error {
			_, err := w.db.Exec("ALTER TABLE users ADD COLUMN d int")
			return err
		})
		w.waiting(1)
		p := w.planned("0001")
		p.Migration.Statements = []plan.Statement{{Change: plan.AddColumn{Table: "users", Column: "c", Type: "int"}}}
		lost, err := w.eng.Loss(t.Context(), p)
		if err != nil || len(lost) != 1 {
			t.Errorf("behind DDL that waits: %q, %v", lost, err)
		}
		table()
		w.must(<-altering)
	})
}
