package mysql_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine/mysql"
)

// dropping is the plan that drops a column, as far as the witness looks at it.
func (w *world) dropping(table, column string) *plan.Plan {
	p := w.planned("0001")
	p.Migration.Statements = []plan.Statement{{Change: plan.DropColumn{Table: table, Column: column}}}
	return p
}

func shownDependents(w *world, p *plan.Plan) []string {
	w.Helper()
	found, err := w.eng.Dependents(w.Context(), p)
	w.must(err)
	var got []string
	for _, d := range found {
		if !d.Blocks {
			w.Errorf("%+v does not block", d)
		}
		got = append(got, d.Kind+" "+d.Name)
	}
	slices.Sort(got)
	return got
}

func TestDependents(t *testing.T) {
	tests := []struct {
		name  string
		setup []string
		want  []string
	}{
		{"nothing", nil, nil},
		{"its own index and foreign key", []string{`CREATE INDEX x ON users (email)`, `ALTER TABLE users ADD FOREIGN KEY (email) REFERENCES mails (email)`}, nil},
		{"view", []string{`CREATE VIEW v AS SELECT id, email FROM users`, `CREATE VIEW w AS SELECT id FROM users`, `CREATE VIEW x AS SELECT email FROM mails`}, []string{"view v"}},
		{"view of everything", []string{`CREATE VIEW v AS SELECT * FROM users`}, []string{"view v"}},
		{"view by an alias, in a condition", []string{`CREATE VIEW v AS SELECT u.id FROM users u WHERE u.EMAIL <> ''`}, []string{"view v"}},
		{"view that calls another column so", []string{`CREATE VIEW v AS SELECT id AS email FROM users`}, nil},
		{"view on a view is told by the first", []string{`CREATE VIEW v AS SELECT email FROM users`, `CREATE VIEW w AS SELECT email FROM v`}, []string{"view v"}},
		{"view of another database", []string{`CREATE VIEW THERE~.v AS SELECT email FROM HERE~.users`, `CREATE TABLE THERE~.users (email int)`, `CREATE VIEW THERE~.w AS SELECT email FROM THERE~.users`}, []string{"view THERE~.v"}},
		{"procedure", []string{`CREATE PROCEDURE p() UPDATE Users SET EMAIL = NULL`}, []string{"procedure p"}},
		{"function", []string{"CREATE FUNCTION f() RETURNS int READS SQL DATA RETURN (SELECT COUNT(`email`) FROM users)"}, []string{"function f"}},
		{"procedure that prepares", []string{`CREATE PROCEDURE p() BEGIN SET @s = 'SELECT email FROM users'; PREPARE s FROM @s; EXECUTE s; END`}, []string{"procedure p"}},
		{"longer words, comments and other tables", []string{`CREATE PROCEDURE p() BEGIN SELECT email_address, my_email FROM users; /* email */ SELECT 1; -- email` + "\nEND", `CREATE PROCEDURE q() SELECT email FROM users2`}, nil},
		{"a comment that runs", []string{`CREATE PROCEDURE p() BEGIN SELECT /*! email FROM users */; END`}, []string{"procedure p"}},
		{"says it means something else", []string{`CREATE PROCEDURE p() BEGIN SELECT m.email /* phased:ignore */ FROM mails m JOIN users USING (id); END`}, nil},
		{"procedure of another database", []string{`CREATE PROCEDURE THERE~.p() SELECT email FROM HERE~.users`, `CREATE PROCEDURE THERE~.q() SELECT email FROM users`}, []string{"procedure THERE~.p"}},
		{"trigger by NEW", []string{"CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW SET NEW . `email` = LOWER(new.EMAIL)"}, []string{"trigger t on users"}},
		{"trigger by OLD", []string{"CREATE TRIGGER t AFTER DELETE ON users FOR EACH ROW INSERT INTO mails VALUES (1, OLD.email)"}, []string{"trigger t on users"}},
		{"trigger of another table", []string{"CREATE TRIGGER t BEFORE INSERT ON mails FOR EACH ROW SET NEW.email = LOWER(NEW.email)"}, nil},
		{"trigger of another table that writes here", []string{"CREATE TRIGGER t BEFORE INSERT ON mails FOR EACH ROW UPDATE users SET email = NEW.email"}, []string{"trigger t on mails"}},
		{"trigger by other columns", []string{"CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW SET NEW.n = 1, NEW.email2 = 'x'"}, nil},
		{"event", []string{`CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM users WHERE email IS NULL`}, []string{"event e"}},
		{"generated column", []string{`ALTER TABLE users ADD COLUMN low varchar(60) AS (LOWER(email)) VIRTUAL`}, []string{"generated column users.low"}},
		{"check", []string{`ALTER TABLE users ADD CONSTRAINT full CHECK (email <> '')`, `ALTER TABLE users ADD CONSTRAINT positive CHECK (n > 0)`, `ALTER TABLE mails ADD CONSTRAINT other CHECK (email <> '')`}, []string{"check users.full"}},
		{"default", []string{`ALTER TABLE users ADD COLUMN copy varchar(50) DEFAULT (CONCAT(email, 'x'))`}, []string{"default users.copy"}},
		{"foreign key of another table", []string{`ALTER TABLE users ADD UNIQUE (email)`, `CREATE TABLE o (e varchar(50), CONSTRAINT fk FOREIGN KEY (e) REFERENCES users (email))`}, []string{"foreign key fk of o"}},
		{"foreign key of itself", []string{`ALTER TABLE users ADD UNIQUE (email), ADD boss varchar(50)`, `ALTER TABLE users ADD CONSTRAINT fk FOREIGN KEY (boss) REFERENCES users (email)`}, []string{"foreign key fk of users"}},
		{"foreign key of another database", []string{`ALTER TABLE users ADD UNIQUE (email)`, `CREATE TABLE THERE~.o (e varchar(50), CONSTRAINT fk FOREIGN KEY (e) REFERENCES HERE~.users (email))`}, []string{"foreign key fk of THERE~.o"}},
		{"partition key", []string{`DROP TABLE users`, `CREATE TABLE users (id int, email varchar(50)) PARTITION BY RANGE COLUMNS (email) (PARTITION p VALUES LESS THAN (MAXVALUE))`}, []string{"partition key users"}},
		{"partition key by another column", []string{`DROP TABLE users`, `CREATE TABLE users (id int, email varchar(50)) PARTITION BY HASH (id) PARTITIONS 2`}, nil},
		{"functional index", []string{"mysql: CREATE INDEX fx ON users ((LOWER(email)))"}, []string{"mysql: functional index users.fx"}},
		{"a JSON column's own check", []string{"ALTER TABLE users DROP COLUMN email", "ALTER TABLE users ADD COLUMN email json"}, nil},
	}
	eachEmpty(t, func(t *testing.T, world *world) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, world.dialect)
				w.must(w.eng.Bootstrap(t.Context()))
				w.exec(`CREATE TABLE users (id int PRIMARY KEY, email varchar(50), email2 varchar(50), n int)`, `CREATE TABLE mails (id int, email varchar(50), UNIQUE (email))`)
				other := ""
				if strings.Contains(fmt.Sprint(tt.setup), "THERE~") {
					other = newWorld(t, world.dialect).name
				}
				placed := func(list []string) []string {
					var out []string
					for _, s := range list {
						only, rest, ok := strings.Cut(s, ": ")
						if ok && only == string(plan.DialectMySQL) {
							if w.mariadb() {
								continue
							}
							s = rest
						}
						out = append(out, strings.NewReplacer("THERE~", other, "HERE~", w.name).Replace(s))
					}
					return out
				}
				w.exec(placed(tt.setup)...)
				if got, want := shownDependents(w, w.dropping("users", "email")), placed(tt.want); !slices.Equal(got, want) {
					t.Errorf("got  %q\nwant %q", got, want)
				}
			})
		}
	})
}

// What this account may not see is named, with the way to see it.
func TestDependentsThatAreHidden(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(`CREATE TABLE users (id int PRIMARY KEY, email varchar(50))`, `CREATE VIEW v AS SELECT id FROM users`, `CREATE PROCEDURE p() SELECT 1`)
		x, _ := w.as("SELECT", "INSERT", "EXECUTE")
		p := w.dropping("users", "email")
		is(w, "as root", fmt.Sprint(shownDependents(w, p)), "[]")
		found, err := x.eng.Dependents(t.Context(), p)
		w.must(err)
		if got := fmt.Sprint(found); !strings.Contains(got, "p (this account may not see what it does: GRANT S") || !strings.Contains(got, "v (this account may not see what it shows: GRANT SHOW VIEW") {
			t.Errorf("%s", got)
		}
	})
}

// A renamed table: its own view is no dependent, what names the table as old code does is.
func TestDependentsOfARenamedTable(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec(`CREATE TABLE users (id int PRIMARY KEY)`, `CREATE VIEW members AS SELECT * FROM users`)
		p := w.planned("0001")
		p.Migration.Statements = []plan.Statement{{Change: plan.RenameTable{From: "users", To: "members"}}}
		is(w, "nothing", fmt.Sprint(shownDependents(w, p)), "[]")
		w.exec(`CREATE VIEW v AS SELECT id FROM users`, `CREATE VIEW w AS SELECT id FROM members`, `CREATE PROCEDURE p() DELETE FROM users`, `CREATE PROCEDURE q() DELETE FROM members`,
			`CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW SET NEW.id = 1`)
		is(w, "by name", fmt.Sprint(shownDependents(w, p)), "[procedure p view v]")
	})
}

func TestNamesToldApart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       bool
	}{
		{"email", "SELECT email FROM t", true},
		{"email", "select EMAIL", true},
		{"email", "u.email=1", true},
		{"email", "`email`", true},
		{"email", "`Email`", true},
		{"email", `"email"`, true},
		{"email", "email_address", false},
		{"email", "my_email", false},
		{"email", "email$", false},
		{"email", "`my email`", false},
		{"email", "'an email'", true},
		{"email", "'it''s \\' email'", true},
		{"email", "/* email */ 1 -- email\n# email", false},
		{"email", "1 --email", true}, // not a comment here
		{"email", "/*!50000 email*/", true},
		{"email", "/*M!100100 email */", true},
		{"email", "/*! /* x */ email */", true},
		{"email", "/* email", false},
		{"email", "'email", true},
		{"a`b", "SELECT `a``b`", true},
		{"a b", "SELECT `a b`", true},
		{"a b", "SELECT a b", false},
		{"größe", "SELECT GRÖSSE, größer", false},
		{"größe", "SELECT Größe", true},
		{"a$b", "SELECT a$b", true},
	} {
		if got := mysql.Names(tt.text, tt.name); got != tt.want {
			t.Errorf("%s in %s: %v", tt.name, tt.text, got)
		}
	}
	for text, want := range map[string]bool{"SET NEW.email = 1": true, "new . `email`": true, "NEW.email2": false, "NEW.`email2`": false, "renew.email": false, "`NEW`.email": true, "OLD.EMAIL": true, "email": false, "NEW.email": true} {
		if got := mysql.TakesField(text, "email"); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// Names in any text: it ends, and finds what stands in backticks.
func FuzzNames(f *testing.F) {
	f.Add("SELECT `a` FROM b", "a")
	f.Add("/*! '", "`")
	f.Fuzz(func(t *testing.T, text, name string) {
		mysql.Names(text, name)
		mysql.TakesField(text, name)
		if quoted := "`" + strings.ReplaceAll(name, "`", "``") + "`"; name != "" && !mysql.Names(quoted, name) {
			t.Errorf("%q is not found in %q", name, quoted)
		}
	})
}
