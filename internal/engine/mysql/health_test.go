package mysql_test

import (
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/expand/plan"
)

// renaming records a rename of a column that is kept in step already.
func (w *world) renaming(token int64, name, table, from, to, typ string, expressions ...string) *plan.Plan {
	w.Helper()
	l := pair(name, table, from, to, typ)
	if len(expressions) > 0 {
		l.Up, l.Down = expressions[0], expressions[1]
	}
	add := syncStep(plan.PhaseExpand, plan.SyncStep{Table: table, Add: &l})
	p := w.planned(name, add)
	p.Migration.Statements = []plan.Statement{{Change: plan.RenameColumn{Table: table, From: from, To: to, Up: l.Up, Down: l.Down}}}
	w.must(w.eng.Begin(w.Context(), token, p, "verified"))
	w.run(stepRun(token, p, 0))
	return p
}

func TestHealth(t *testing.T) {
	again := func(w *world, insert bool) []string {
		links, err := w.eng.Links(w.Context(), "", "users")
		w.must(err)
		create := w.eng.Compose("", "users", links)
		name := strings.Split(create[0], "`")[1]
		if !insert {
			name = strings.Split(create[1], "`")[1]
		}
		return []string{name, create[0], create[1]}
	}
	tests := []struct {
		name string
		harm func(w *world) []string
		want string
	}{
		{"well", func(*world) []string { return nil }, ""},
		{"insert trigger dropped", func(w *world) []string { return []string{"DROP TRIGGER `" + again(w, true)[0] + "`"} }, "is missing"},
		{"update trigger dropped", func(w *world) []string { return []string{"DROP TRIGGER `" + again(w, false)[0] + "`"} }, "is missing"},
		{"replaced", func(w *world) []string {
			name := again(w, false)[0]
			return []string{"DROP TRIGGER `" + name + "`", "CREATE TRIGGER `" + name + "` BEFORE UPDATE ON users FOR EACH ROW SET NEW.n = 1"}
		}, "was replaced"},
		{"fires at another event", func(w *world) []string {
			x := again(w, false)
			return []string{"DROP TRIGGER `" + x[0] + "`", strings.Replace(strings.Replace(x[1], strings.Split(x[1], "`")[1], x[0], 1), "INSERT", "UPDATE", 1)}
		}, "was replaced"},
		{"made under another sql_mode", func(w *world) []string {
			x := again(w, false)
			return []string{"DROP TRIGGER `" + x[0] + "`", "SET SESSION sql_mode = 'ANSI'", x[2], "SET SESSION sql_mode = DEFAULT"}
		}, "other settings (sql_mode REAL_AS_FLOAT"},
		{"made under another character set", func(w *world) []string {
			x := again(w, false)
			return []string{"DROP TRIGGER `" + x[0] + "`", "SET NAMES latin1", x[2], "SET NAMES utf8mb4"}
		}, "latin1"},
		{"another fires behind it", func(*world) []string {
			return []string{"CREATE TRIGGER z BEFORE UPDATE ON users FOR EACH ROW SET NEW.n = 1"}
		}, "the trigger z fires behind"},
		{"another fires before it", func(w *world) []string {
			return []string{"CREATE TRIGGER z BEFORE UPDATE ON users FOR EACH ROW PRECEDES `" + again(w, false)[0] + "` SET NEW.n = 1"}
		}, ""},
		{"another fires after the row", func(*world) []string {
			return []string{"CREATE TRIGGER z AFTER UPDATE ON users FOR EACH ROW SET @x = 1", "CREATE TRIGGER y BEFORE DELETE ON users FOR EACH ROW SET @x = 1"}
		}, ""},
		{"a former sync's", func(*world) []string {
			return []string{"CREATE TRIGGER `phased~00000000~users~i` BEFORE INSERT ON users FOR EACH ROW SET @x = 1"}
		}, "is a former sync's"},
		{"link forgotten", func(*world) []string { return []string{"DELETE FROM phased_link"} }, "0 of the 1 pairs"},
		{"table gone", func(*world) []string { return []string{"DROP TABLE users"} }, "the table is gone"},
		{"column gone", func(*world) []string { return []string{"ALTER TABLE users RENAME COLUMN email TO e"} }, "the column email, which 0001 keeps in step, is gone"},
		{"column altered", func(*world) []string { return []string{"ALTER TABLE users MODIFY email varchar(60)"} }, "it was varchar(50)"},
		{"column of another collation", func(*world) []string {
			return []string{"ALTER TABLE users MODIFY email varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"}
		}, "is now varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"},
	}
	eachEmpty(t, func(t *testing.T, world *world) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, world.dialect)
				w.must(w.eng.Bootstrap(t.Context()))
				w.exec(`CREATE TABLE users (id int PRIMARY KEY, email ` + varchar + `, mail ` + varchar + `, n int)`)
				p := w.renaming(w.lease("a"), "0001", "users", "email", "mail", varchar)
				if harm := tt.harm(w); harm != nil {
					w.session(harm...)
				}
				h, err := w.eng.Health(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				if h.OK != (tt.want == "") || !strings.Contains(h.Problem, tt.want) || !h.OK && h.Way == "" {
					t.Errorf("want %q, got %+v", tt.want, h)
				}
				// The way out, where it is a statement, makes it well.
				if _, way, ok := strings.Cut(h.Way, "DELIMITER): "); ok {
					head, create, _ := strings.Cut(way, "; CREATE TRIGGER ")
					w.session(append(strings.Split(head, "; "), "CREATE TRIGGER "+strings.TrimSuffix(create, "; UNLOCK TABLES"), "UNLOCK TABLES")...)
					if h, err = w.eng.Health(t.Context(), p); err != nil || !h.OK {
						t.Errorf("the way out leads to %+v, %v", h, err)
					}
				}
			})
		}
	})
}

// session runs statements on one session of their own.
func (w *world) session(statements ...string) {
	w.Helper()
	c, err := w.wire().db.Conn(w.Context())
	w.must(err)
	defer c.Close()
	for _, s := range statements {
		if _, err := c.ExecContext(w.Context(), s); err != nil {
			w.Fatalf("%v\n%s", err, s)
		}
	}
}

// Every sync that is composed is found to be well: hidden or not, between its names,
// alone or stacked, with expressions and any names, asked from any session.
func TestHealthOfWhatWasComposed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE users (id int PRIMARY KEY, `E \"ma``il` int, `Größe` int, c int, price decimal(10,2), cents decimal(12,2), a text, b text)", "ALTER TABLE users MODIFY a text CHARACTER SET latin1, MODIFY b text CHARACTER SET latin1")
		token := w.lease("a")
		x := w.wire(hostile)
		latin := w.wire(func(cfg *driver.Config) { w.must(cfg.Apply(driver.Charset("latin1", ""))) })
		var all []*plan.Plan
		well := func() {
			t.Helper()
			for _, p := range all {
				for _, eng := range []*wire{{eng: w.eng}, x, latin} {
					if h, err := eng.eng.Health(t.Context(), p); err != nil || !h.OK {
						t.Fatalf("%s: %+v, %v", p.Migration.Name, h, err)
					}
				}
			}
		}
		integer := get[string](w, "SELECT COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'users' AND COLUMN_NAME = 'c'")
		all = append(all, w.renaming(token, "0001", "users", "E \"ma`il", "Größe", integer))
		well()
		all = append(all, w.renaming(token, "0002 it's \\ 😀", "users", "Größe", "c", integer))
		well()
		expr := w.planned("0003")
		l := pair("0003", "users", "price", "cents", "decimal(12,2)")
		l.OldType, l.Up, l.Down = "decimal(10,2)", "price * 100 /* 'ü' */", "cents / 100"
		if w.mariadb() { // MySQL makes no trigger of such a text
			l.Up = "price * 100 /* '😀' */"
		}
		expr.Steps = []plan.Step{syncStep(plan.PhaseExpand, plan.SyncStep{Table: "users", Add: &l})}
		w.must(w.eng.Begin(t.Context(), token, expr, "verified"))
		w.run(stepRun(token, expr, 0))
		all = append(all, expr)
		well()
		all = append(all, w.renaming(token, "0004", "users", "a", "b", "text CHARACTER SET latin1 COLLATE latin1_swedish_ci"))
		well()

		// Between its names, and hidden.
		id := "0004/1"
		hide := w.planned("0005", syncStep(plan.PhaseHide, plan.SyncStep{Table: "users", Swap: id, To: plan.NameHidden}), syncStep(plan.PhaseHide, plan.SyncStep{Table: "users", Hide: id}))
		w.must(w.eng.Begin(t.Context(), token, hide, "verified"))
		w.exec("ALTER TABLE users ADD COLUMN `a~hidden` text NULL INVISIBLE COMMENT 'phased: temporary name'")
		well()
		w.run(stepRun(token, hide, 0))
		well()
		w.exec("ALTER TABLE users DROP COLUMN `a~hidden`, RENAME COLUMN a TO `a~hidden`")
		well()
		w.run(stepRun(token, hide, 1))
		well()
	})
}

// The account that the triggers run for goes away: every write would fail.
func TestHealthNamesAMissingDefiner(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(`CREATE TABLE users (id int PRIMARY KEY, a int, b int)`)
		integer := get[string](w, "SELECT COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'users' AND COLUMN_NAME = 'a'")
		p := w.renaming(w.lease("a"), "0001", "users", "a", "b", integer)
		links, err := w.eng.Links(t.Context(), "", "")
		w.must(err)
		remake := []string{"SET SESSION sql_mode = '" + get[string](w, "SELECT SQL_MODE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() LIMIT 1") + "'", "SET NAMES utf8mb4 COLLATE utf8mb4_bin"}
		for _, s := range w.eng.Compose("", "users", links) {
			remake = append(remake, "DROP TRIGGER `"+strings.Split(s, "`")[1]+"`", strings.Replace(s, "CREATE ", "CREATE DEFINER = `gone`@`nowhere` ", 1))
		}
		w.session(remake...)
		h, err := w.eng.Health(t.Context(), p)
		if err != nil || h.OK || !strings.Contains(h.Problem, "the account gone@nowhere") {
			t.Errorf("%+v, %v", h, err)
		}
		if _, err := w.db.Exec("INSERT INTO users VALUES (1, 1, 1)"); err == nil {
			t.Error("the server has no need of the definer")
		}
		// Who may not see the accounts is told nothing.
		x, _ := w.as("SELECT", "TRIGGER")
		if h, err = x.eng.Health(t.Context(), p); err != nil || !h.OK {
			t.Errorf("%+v, %v", h, err)
		}
	})
}
