package mysql_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/lockcheck"
)

// kinds has one plan of every kind of change, over these tables.
var kindTables = []string{
	"CREATE TABLE domains (name varchar(50) PRIMARY KEY)",
	"INSERT INTO domains VALUES ('a@b'), ('nobody')",
	"CREATE TABLE users (id bigint PRIMARY KEY, email varchar(50) NOT NULL COMMENT 'mail', n int, gone int NOT NULL, UNIQUE KEY u (email), KEY part (n, email(5)), CONSTRAINT f FOREIGN KEY (email) REFERENCES domains (name) ON DELETE CASCADE)",
	"INSERT INTO users VALUES (1, 'a@b', 1, 5)",
	"CREATE TABLE other (id bigint PRIMARY KEY, v varchar(20), code int NOT NULL, UNIQUE KEY (code))",
	"INSERT INTO other VALUES (1, 'v', 3)",
	"CREATE TABLE posts (id bigint AUTO_INCREMENT PRIMARY KEY, title varchar(20) NOT NULL DEFAULT 'none')",
	"INSERT INTO posts (title) VALUES ('a')",
}

var kinds = []struct {
	name    string
	changes []plan.Change
}{
	{"rename-column", []plan.Change{rename("users", "email", "email_address")}},
	{"rename-column-expressions", []plan.Change{plan.RenameColumn{Table: "other", From: "v", To: "w", Up: "lower(v)", Down: "upper(w)"}}},
	{"two-renames", []plan.Change{rename("users", "n", "m"), rename("other", "v", "w")}},
	{"rename-table", []plan.Change{plan.RenameTable{From: "posts", To: "articles"}}},
	{"add-column", []plan.Change{plan.AddColumn{Table: "users", Column: "age", Type: "int", Default: "7", NotNull: true}, plan.AddColumn{Table: "other", Column: "note", Type: "varchar(20)"}}},
	{"drop-column", []plan.Change{plan.DropColumn{Table: "users", Column: "gone"}}},
	{"drop-unique-column", []plan.Change{plan.DropColumn{Table: "other", Column: "code"}}},
	{"create-table", []plan.Change{plan.CreateTable{Name: "tags", SQL: "CREATE TABLE tags (id bigint PRIMARY KEY, u bigint)"}, plan.CreateIndex{Table: "tags", Name: "tags_u", Definition: "(u)"}, plan.AddColumn{Table: "tags", Column: "t", Type: "int"}}},
	{"create-index", []plan.Change{plan.CreateIndex{Table: "users", Name: "users_gone", Definition: "(gone DESC, n)", Unique: true}}},
	{"as-written", []plan.Change{plan.AsWritten{SQL: "ALTER TABLE other MODIFY v text", Reason: "it is small", Table: "other"}}},
}

// The plan of each kind as people read it, for each family; PHASED_UPDATE=1 writes it
// anew. Nothing in it depends on the moment, and it goes through JSON unchanged.
func TestPlanOfEveryKind(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
		w.exec(kindTables...)
		for _, k := range kinds {
			p := w.resolve("0001_"+k.name, k.changes...)
			for _, s := range p.Steps {
				checkStep(t, k.name, s)
			}
			again := w.resolve("0001_"+k.name, k.changes...)
			is(w, k.name+": planned again", again.SQL(), p.SQL())
			throughJSON(t, k.name, p)
			p.Server = string(w.dialect)
			golden := filepath.Join("testdata", k.name+"."+string(w.dialect)+".sql")
			if os.Getenv("PHASED_UPDATE") == "1" {
				w.must(os.WriteFile(golden, []byte(p.SQL()), 0o644))
			}
			want, err := os.ReadFile(golden)
			w.must(err)
			if got := p.SQL(); got != string(want) {
				t.Errorf("the plan has changed (PHASED_UPDATE=1 writes it anew):\n%s", got)
			}
		}
	})
}

// checkStep: what others wait for is bounded, and the server is never left to choose how
// it does something.
func checkStep(t *testing.T, name string, s plan.Step) {
	t.Helper()
	where := name + ": " + string(s.Phase) + ": " + s.Title
	if s.InTx || s.LockTimeout != time.Second || s.Lock != lockcheck.LockMetadataExclusive {
		t.Errorf("%s: in a transaction %v, lock timeout %v, lock %v", where, s.InTx, s.LockTimeout, s.Lock)
	}
	if s.Relation == "" || s.Title == "" {
		t.Errorf("%s: no relation or title", where)
	}
	if len(s.Statements) == 0 && s.Sync == nil {
		t.Errorf("%s does nothing", where)
	}
	if s.UserPath {
		return // the user's own
	}
	ddl := 0
	for _, text := range s.Statements {
		if strings.HasPrefix(text, "SET SESSION ") {
			continue
		}
		ddl++
		rest, alter := strings.CutPrefix(text, "ALTER TABLE ")
		if alter && s.Undo != "goes with the table" && !strings.Contains(rest, ", ALGORITHM=") {
			t.Errorf("%s leaves the algorithm to the server: %s", where, text)
		}
		if strings.Contains(rest, "ALGORITHM=COPY") || strings.Contains(rest, "LOCK=SHARED") || strings.Contains(rest, "LOCK=EXCLUSIVE") {
			t.Errorf("%s blocks writes: %s", where, text)
		}
		if instant := strings.Contains(rest, "ALGORITHM=INSTANT"); alter && s.Undo != "goes with the table" && instant != (s.StatementTimeout > 0) {
			t.Errorf("%s: statement timeout %v: %s", where, s.StatementTimeout, text)
		}
	}
	if ddl > 1 || ddl == 1 && s.Sync != nil {
		t.Errorf("%s is not one statement", where)
	}
	if s.Done == "" && (s.Sync == nil || s.Sync.Show == "") && !strings.Contains(s.Title, "the default that") {
		t.Errorf("%s cannot be asked", where)
	}
}

func throughJSON(t *testing.T, name string, p *plan.Plan) {
	t.Helper()
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	q, err := plan.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, again) || !reflect.DeepEqual(p.Steps, q.Steps) || !reflect.DeepEqual(p.Fills, q.Fills) || p.SQL() != q.SQL() {
		t.Errorf("%s: the plan is another one after JSON:\n%s\n%s", name, b, again)
	}
	if diff := plan.DiffFacts(p.Facts, q.Facts); len(diff) > 0 {
		t.Errorf("%s: the facts differ: %v", name, diff)
	}
}

// Every kind ends as its plain statements do, and undo gives back what was there, from
// every phase.
func TestEveryKindEndsAsThePlainStatements(t *testing.T) {
	stays := map[string]bool{"drop-unique-column": true, "as-written": true} // what a rollback does not take back
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				direct := newWorld(t, w.dialect)
				w.exec(kindTables...)
				direct.exec(kindTables...)
				before := w.structures()
				phases := []plan.Phase{plan.PhaseExpand, plan.PhaseFinish, plan.PhaseHide}
				for n := range phases {
					if stays[k.name] {
						break
					}
					m := w.life(w.resolve("undone from "+string(phases[n]), k.changes...))
					m.phase(phases[:n+1]...)
					m.phase(plan.PhaseUndo)
					is(w, "undone from "+string(phases[n]), w.structures(), before)
				}
				m := w.life(w.resolve("0001", k.changes...))
				direct.exec(m.p.Direct...)
				m.phase(phases...)
				m.phase(plan.PhaseDrop)
				is(w, "the end", w.structures(), direct.structures())
			})
		})
	}
}

// structures is every table and view but phased's own.
func (w *world) structures() string {
	w.Helper()
	var out []string
	for _, name := range w.column("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT LIKE 'phased\\_%' ORDER BY 1") {
		out = append(out, w.structure(name))
	}
	return strings.Join(out, "\n\n")
}

// A rename on top of one that is in flight: each side of both is written and read, and
// both end as two plain renames, in whatever order what hangs on the column is carried.
func TestStackedRenames(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		plainly := newWorld(t, w.dialect)
		w.exec(kindTables...)
		plainly.exec(kindTables...)
		before := w.structures()
		first := w.life(w.resolve("0001", rename("users", "email", "mail")))
		first.phase(plan.PhaseExpand, plan.PhaseFinish)
		between := w.structure("users")

		second := w.life(w.resolve("0002", rename("users", "mail", "address")))
		second.phase(plan.PhaseExpand)
		w.exec("DELETE FROM users WHERE id = 1", "INSERT INTO users (id, email, gone) VALUES (2, 'nobody', 1)", "UPDATE users SET address = 'a@b' WHERE id = 2")
		is(w, "all three", w.row("email, mail, address) FROM users WHERE id = 2"), "a@b|a@b|a@b")
		second.phase(plan.PhaseFinish, plan.PhaseUndo)
		is(w, "the second undone", w.structure("users"), between)

		second = w.life(w.resolve("0003", rename("users", "mail", "address")))
		second.phase(plan.PhaseExpand, plan.PhaseFinish)
		first.phase(plan.PhaseHide)
		w.exec("UPDATE users SET address = 'nobody' WHERE id = 2")
		is(w, "while the first is hidden", w.row("`email~hidden`, mail, address) FROM users WHERE id = 2"), "nobody|nobody|nobody")
		first.phase(plan.PhaseDrop)
		w.exec("UPDATE users SET mail = 'a@b' WHERE id = 2", "INSERT INTO domains VALUES ('c@d')", "INSERT INTO users (id, address, gone) SELECT 3, 'c@d', 1")
		is(w, "after the first", w.row("mail, address) FROM users WHERE id = 2")+w.row("mail, address) FROM users WHERE id = 3"), "a@b|a@bc@d|c@d")
		second.phase(plan.PhaseHide, plan.PhaseDrop)
		plainly.exec("ALTER TABLE users RENAME COLUMN email TO address")
		is(w, "the end", w.structure("users"), plainly.structure("users"))

		// And back from both.
		w.clear()
		w.must(w.eng.Bootstrap(t.Context()))
		w.exec(kindTables...)
		first = w.life(w.resolve("0004", rename("users", "email", "mail")))
		first.phase(plan.PhaseExpand, plan.PhaseFinish)
		second = w.life(w.resolve("0005", rename("users", "mail", "address")))
		second.phase(plan.PhaseExpand, plan.PhaseFinish, plan.PhaseUndo)
		first.phase(plan.PhaseUndo)
		is(w, "both undone", w.structures(), before)
	})
}
