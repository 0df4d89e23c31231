package conformance

import (
	"errors"
	"testing"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/contract"
	"github.com/phasedb/phased/expand"
)

// A table goes under both names until contract, in statements of every kind.
func TestRenameTable(t *testing.T) {
	each(t, func(w *world) {
		w.found(users)
		w.people(10)
		before := w.shape()
		m := file("0001_members", expand.RenameTable{From: "users", To: "members"})
		w.up(m)
		w.stands(m.Name, "verified")
		both := func() {
			w.Helper()
			for i, name := range []string{"users", "members"} {
				w.exec("INSERT INTO "+name+" (id, email) VALUES (100, 'x')", "UPDATE "+name+" SET n = 5 WHERE id = 100", "DELETE FROM "+[]string{"members", "users"}[i]+" WHERE id = 99")
				w.is(name, w.rows("SELECT id, email, n FROM users WHERE id = 100")+"/"+w.rows("SELECT id, email, n FROM members WHERE id = 100"), "100|x|5/100|x|5")
				w.exec("DELETE FROM " + name + " WHERE id = 100")
			}
		}
		both()
		w.half(m.Name, contract.HalfHide)
		w.stands(m.Name, "hidden")
		w.is("members", w.rows("SELECT COUNT(*) FROM members"), "10")
		if _, err := w.db.Exec("SELECT * FROM users"); err == nil {
			t.Error("the old name is still there")
		}
		w.rollback(m.Name, expand.RollbackConfig{})
		w.is("the schema", w.shape(), before)
		if _, err := expand.Resume(w.Context(), w.db, m.Name); err != nil {
			t.Fatal(err)
		}
		w.up(m)
		both()
		w.half(m.Name, contract.HalfHide)
		w.half(m.Name, contract.HalfDrop)
		w.stands(m.Name, "dropped")
		plain := w.other()
		plain.exec(users, "ALTER TABLE users RENAME TO members")
		if !w.postgres() {
			w.is("the schema in the end", w.shape(), plain.shape())
		}
	})
}

// A mandatory column is made optional first, so that new code can leave it out.
func TestDropColumn(t *testing.T) {
	each(t, func(w *world) {
		w.found(users, "CREATE INDEX users_email ON users (email)")
		w.people(10)
		before := w.shape()
		m := file("0001_no_email", expand.DropColumn{Table: "users", Column: "email"})
		w.up(m)
		w.exec("INSERT INTO users (id, n) VALUES (100, 1)", "INSERT INTO users (id, email, n) VALUES (101, 'x', 1)")
		w.is("old code reads", w.rows("SELECT email FROM users WHERE id IN (1, 101) ORDER BY id"), "u1; x")
		w.half(m.Name, contract.HalfHide)
		w.exec("INSERT INTO users (id, n) VALUES (102, 1)")
		w.rollback(m.Name, expand.RollbackConfig{})
		w.is("old code reads again", w.rows("SELECT email FROM users WHERE id IN (1, 101) ORDER BY id"), "u1; x")
		if !w.postgres() { // there it stays nullable, because rows of new code hold null
			w.is("the schema", w.shape(), before)
		}
		if _, err := expand.Resume(w.Context(), w.db, m.Name); err != nil {
			t.Fatal(err)
		}
		w.up(m)
		w.half(m.Name, contract.HalfHide)
		w.half(m.Name, contract.HalfDrop)
		w.is("in the end", w.rows("SELECT * FROM users WHERE id IN (1, 102) ORDER BY id"), "1|1; 102|1")
	})
}

// What only adds is complete after Up, keeps its data, and is rolled back only by force
// once it holds some.
func TestAdditiveChanges(t *testing.T) {
	each(t, func(w *world) {
		w.found(users)
		w.people(10)
		before := w.shape()
		add := file("0001_add", expand.AddColumn{Table: "users", Column: "age", Type: "int"},
			expand.AddColumn{Table: "users", Column: "kind", Type: "varchar(10)", Default: "'new'", NotNull: true})
		table := file("0002_orders", expand.CreateTable{Name: "orders", SQL: "CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY, user_id bigint)"})
		index := file("0003_index", expand.CreateIndex{Table: "users", Name: "users_n_id", Unique: true, Definition: "(n, id)"})
		written := file("0004_written", expand.AsWritten{SQL: "INSERT INTO orders VALUES (1, 1)", Reason: "seed"})
		for range 2 { // the second time there is nothing to do
			w.up(add, table, index, written)
		}
		for _, m := range []string{add.Name, table.Name, index.Name, written.Name} {
			w.stands(m, "complete")
		}
		w.is("old rows", w.rows("SELECT id, age, kind FROM users WHERE id = 1"), "1|null|new")
		w.is("the seed", w.rows("SELECT * FROM orders"), "1|1")
		w.exec("INSERT INTO users (id, email) VALUES (100, 'x')", "UPDATE users SET age = 5 WHERE id = 100")
		for _, m := range []string{add.Name, table.Name} {
			var used *expand.InUseError
			if _, err := expand.Rollback(w.Context(), w.db, m, expand.RollbackConfig{}); !errors.As(err, &used) {
				t.Errorf("rollback of %s, which holds values: %v", m, err)
			}
		}
		w.exec("UPDATE users SET age = NULL", "DELETE FROM orders")
		for _, m := range []string{index.Name, table.Name, add.Name} {
			w.rollback(m, expand.RollbackConfig{})
		}
		w.is("the schema", w.shape(), before)
	})
}

// On an empty database everything goes to the end that the build's lines allow.
func TestEmptyDatabase(t *testing.T) {
	each(t, func(w *world) {
		create := file("0001_users", expand.CreateTable{Name: "users", SQL: users})
		move := file("0002_rename", emailToAddress())
		keep := file("0003_rename", expand.RenameColumn{Table: "users", From: "n", To: "age"})
		move.Directives.Contracts = []string{move.Name}
		w.up(create, move, keep)
		w.stands(create.Name, "complete")
		w.stands(move.Name, "dropped")
		w.stands(keep.Name, "verified")
		w.exec("INSERT INTO users (id, email_address, n) VALUES (1, 'x', 5)")
		w.is("the row", w.rows("SELECT email_address, n, age FROM users"), "x|5|5")
		w.fill(backfill.Config{})
	})
}
