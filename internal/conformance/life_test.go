package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/contract"
	"github.com/phasedb/phased/expand"
)

const (
	rename = "0001_rename_email"

	domains = `CREATE TABLE domains (name varchar(60) NOT NULL PRIMARY KEY)`
	users   = `CREATE TABLE users (id bigint NOT NULL PRIMARY KEY, email varchar(60) NOT NULL, n int)`
)

// rich is a table whose column email carries all that a renamed column may carry.
var rich = []string{
	domains,
	`CREATE TABLE users (id bigint NOT NULL PRIMARY KEY, email varchar(60) NOT NULL DEFAULT 'nobody', n int, CONSTRAINT users_domain FOREIGN KEY (email) REFERENCES domains (name))`,
	`CREATE UNIQUE INDEX users_email_id ON users (email, id)`,
	`CREATE INDEX users_n_email ON users (n, email)`,
	`CREATE INDEX users_email ON users (email)`,
}

func emailToAddress() expand.Change {
	return expand.RenameColumn{Table: "users", From: "email", To: "email_address"}
}

func (w *world) people(n int) {
	w.Helper()
	var rows []string
	for i := 1; i <= n; i++ {
		rows = append(rows, fmt.Sprintf("(%d, 'u%d', %d)", i, i%7, i))
	}
	w.exec("INSERT INTO users (id, email, n) VALUES " + strings.Join(rows, ", "))
}

// flows writes as old code and as new code does, and looks at the other side.
func (w *world) flows(old, new string) {
	w.Helper()
	old, new = w.q(old), w.q(new)
	for i, column := range []string{old, new} {
		v := fmt.Sprintf("u%d", i)
		w.exec(fmt.Sprintf("UPDATE users SET %s = 'u5' WHERE id = 1", column), fmt.Sprintf("UPDATE users SET %s = '%s' WHERE id = 1", column, v),
			"DELETE FROM users WHERE id >= 1000", fmt.Sprintf("INSERT INTO users (id, %s, n) VALUES (%d, '%s', 0)", column, 1000+i, v),
			fmt.Sprintf("INSERT INTO users (id, %s, n) SELECT %d, '%s', 0 FROM users WHERE id = 1", column, 1010+i, v))
		w.is("written to "+column, w.rows(fmt.Sprintf("SELECT %s, %s FROM users WHERE id = 1 OR id >= 1000", old, new)), fmt.Sprintf("%s|%[1]s; %[1]s|%[1]s; %[1]s|%[1]s", v))
	}
	w.exec("DELETE FROM users WHERE id >= 1000")
}

// The whole life of a rename: what each side writes is on the other one in every phase,
// and the end is the schema of a plain RENAME COLUMN.
func TestLifeOfARename(t *testing.T) {
	each(t, func(w *world) {
		w.found(rich...)
		w.exec("INSERT INTO domains VALUES ('u0'), ('u1'), ('u2'), ('u3'), ('u4'), ('u5'), ('u6'), ('nobody')")
		w.people(50)
		w.up(file(rename, emailToAddress()))
		w.stands(rename, "expanded")
		w.flows("email", "email_address")
		w.fill(backfill.Config{MinRows: 1, MaxRows: 7})
		w.stands(rename, "verified")
		w.flows("email", "email_address")
		w.is("filled", w.rows("SELECT COUNT(*) FROM users WHERE email = email_address"), "50")
		w.half(rename, contract.HalfHide)
		w.stands(rename, "hidden")
		w.flows("email~hidden", "email_address")
		w.half(rename, contract.HalfDrop)
		w.stands(rename, "dropped")
		w.exec("INSERT INTO users (id) VALUES (1000)")
		w.is("the default", w.rows("SELECT email_address FROM users WHERE id = 1000"), "nobody")

		plain := w.other()
		plain.exec(rich...)
		plain.exec("ALTER TABLE users RENAME COLUMN email TO email_address")
		want := plain.shape()
		if !w.postgres() { // the servers rename neither a key nor its constraint, and the new one is another
			want = strings.ReplaceAll(want, "users_domain", "users_domain~new")
		}
		w.is("the schema at the end", w.shape(), want)
		w.is("what is kept", w.rows("SELECT COUNT(*) FROM "+w.state("link")), "0")
	})
}

// Rolled back from any state, everything is as it was, with what either side wrote.
func TestRollbackFromEveryState(t *testing.T) {
	for _, from := range []string{"expanded", "half filled", "verified", "hidden"} {
		t.Run(from, func(t *testing.T) {
			each(t, func(w *world) {
				w.found(append(append([]string{}, rich...), "INSERT INTO domains VALUES ('u0'), ('u1'), ('u2'), ('u3'), ('u4'), ('u5'), ('u6'), ('nobody')")...)
				w.people(50)
				before := w.shape()
				w.up(file(rename, emailToAddress()))
				switch from {
				case "half filled":
					w.fillSome(2)
					w.stands(rename, "backfilling")
				case "verified", "hidden":
					w.fill(backfill.Config{})
				}
				if from == "hidden" {
					w.half(rename, contract.HalfHide)
				}
				w.exec("UPDATE users SET email_address = 'u0' WHERE id <= 3", "INSERT INTO users (id, email_address) VALUES (1000, 'u1')")
				w.rollback(rename, expand.RollbackConfig{})
				w.stands(rename, "rolled-back")
				w.is("the schema", w.shape(), before)
				w.is("what new code wrote", w.rows("SELECT id, email FROM users WHERE id <= 4 OR id = 1000 ORDER BY id"), "1|u0; 2|u0; 3|u0; 4|u4; 1000|u1")

				// As a state: the next start does not begin again, resume does.
				w.up(file(rename, emailToAddress()))
				w.stands(rename, "rolled-back")
				if _, err := expand.Resume(w.Context(), w.db, rename); err != nil {
					w.Fatal(err)
				}
				w.up(file(rename, emailToAddress()))
				w.fill(backfill.Config{})
				w.stands(rename, "verified")
				w.flows("email", "email_address")
			})
		})
	}
}

// Changes in flight on one table are carried through each other, and contracted in order.
func TestStackedRenames(t *testing.T) {
	each(t, func(w *world) {
		w.found(users)
		w.people(20)
		first, second := file("0001_a", expand.RenameColumn{Table: "users", From: "email", To: "mail"}), file("0002_b", expand.RenameColumn{Table: "users", From: "mail", To: "address"})
		w.up(first)
		w.fill(backfill.Config{})
		w.up(first, second)
		for _, c := range []string{"email", "mail", "address"} {
			w.exec(fmt.Sprintf("UPDATE users SET %s = '%s' WHERE id = 1", c, c), fmt.Sprintf("INSERT INTO users (id, %s) VALUES (100, '%s')", c, c))
			w.is("written to "+c, w.rows("SELECT email, mail, address FROM users WHERE id IN (1, 100)"), fmt.Sprintf("%s|%[1]s|%[1]s; %[1]s|%[1]s|%[1]s", c))
			w.exec("DELETE FROM users WHERE id = 100")
		}
		w.fill(backfill.Config{})
		w.half("0001_a", contract.HalfHide)
		for _, c := range []string{"email~hidden", "mail", "address"} {
			w.exec(fmt.Sprintf("UPDATE users SET %s = '%s' WHERE id = 1", w.q(c), c[:4]))
			w.is("written to "+c, w.rows(fmt.Sprintf("SELECT %s, mail, address FROM users WHERE id = 1", w.q("email~hidden"))), fmt.Sprintf("%s|%[1]s|%[1]s", c[:4]))
		}
		w.half("0001_a", contract.HalfDrop)
		w.half("0002_b", contract.HalfHide)
		w.half("0002_b", contract.HalfDrop)
		w.is("columns", w.rows("SELECT * FROM users WHERE id = 2"), "2|2|u2")
	})
}

func TestTwoRenamesInOneFile(t *testing.T) {
	each(t, func(w *world) {
		w.found(users)
		w.people(20)
		w.up(file(rename, emailToAddress(), expand.RenameColumn{Table: "users", From: "n", To: "age"}))
		w.fill(backfill.Config{})
		w.exec("UPDATE users SET email_address = 'x', n = 70 WHERE id = 1")
		w.is("both", w.rows("SELECT email, email_address, n, age FROM users WHERE id = 1"), "x|x|70|70")
		w.half(rename, contract.HalfHide)
		w.half(rename, contract.HalfDrop)
		w.is("in the end", w.rows("SELECT email_address, age FROM users WHERE id = 1"), "x|70")
	})
}

// A richer value of new code is kept, and expressions go both ways.
func TestRenameWithExpressions(t *testing.T) {
	each(t, func(w *world) {
		w.found("CREATE TABLE items (id bigint NOT NULL PRIMARY KEY, price decimal(10,2), n int)", "INSERT INTO items VALUES (1, 1.50, 0), (2, NULL, 0), (3, 7, 0)")
		w.up(file(rename, expand.RenameColumn{Table: "items", From: "price", To: "gross", Up: "round(price * 1.19, 2)", Down: "round(gross / 1.19, 2)"}))
		w.exec("UPDATE items SET gross = 2.38 WHERE id = 1", "INSERT INTO items (id, price) VALUES (4, 100)", "INSERT INTO items (id, gross) VALUES (5, 119)", "UPDATE items SET n = 1 WHERE id = 5")
		w.fill(backfill.Config{})
		w.is("both sides", w.rows("SELECT id, price, gross FROM items ORDER BY id"), "1|2.00|2.38; 2|null|null; 3|7.00|8.33; 4|100.00|119.00; 5|100.00|119.00")
		w.half(rename, contract.HalfHide)
		w.exec("UPDATE items SET gross = 11.90 WHERE id = 3")
		w.rollback(rename, expand.RollbackConfig{})
		w.is("rolled back", w.rows("SELECT id, price FROM items ORDER BY id"), "1|2.00; 2|null; 3|10.00; 4|100.00; 5|100.00")
	})
}
