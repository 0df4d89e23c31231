package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/phasedb/phased/internal/engine/mysql"
)

// With expressions the richer value of new code is kept, old code is never refused,
// and new code is where old code could not read what it wrote.
func TestSyncWithExpressions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE items (id int PRIMARY KEY, price int, cents decimal(10,2), n int)", "INSERT INTO items VALUES (1, 10, NULL, 0)")
		l := pair("0007_cents", "items", "price", "cents", "decimal(10,2)")
		l.OldType, l.Up, l.Down = "int(11)", "`price` * 1.00", "FLOOR(cents)"
		w.sync("items", l)
		for _, c := range []struct{ statement, want string }{
			{"UPDATE items SET n = 1", "10|10.00"},
			{"UPDATE items SET cents = 10.49", "10|10.49"},
			{"UPDATE items SET n = 2", "10|10.49"},
			{"UPDATE items SET price = 11", "11|11.00"},
			{"UPDATE items SET cents = 12.75", "12|12.75"},
			{"UPDATE items SET price = 12", "12|12.75"}, // in step already
			{"UPDATE items SET cents = NULL", "null|null"},
			{"UPDATE items SET price = 100000000", "100000000|null"}, // up raises: out of step, and nobody's statement fails
			{"UPDATE items SET n = 3", "100000000|null"},
			{"UPDATE items SET price = 3", "3|3.00"},
		} {
			w.exec(c.statement)
			is(w, c.statement, w.row("COALESCE(price, 'null'), COALESCE(cents, 'null')) FROM items"), c.want)
		}
		l.Down = "CAST(CONCAT(cents, 'x') AS SIGNED)" // raises for every value
		w.sync("items", l)
		_, err := w.db.ExecContext(t.Context(), "UPDATE items SET cents = 5")
		if err == nil || !strings.Contains(err.Error(), "migration 0007_cents: the value of cents cannot be carried down to price") {
			t.Errorf("what old code cannot read: %v", err)
		}
		is(w, "refused", w.row("price, cents) FROM items"), "3|3.00")
	})
}

// The predicate outside of the trigger says what the trigger says.
func TestPredicateAgreesWithTheTrigger(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE items (id int PRIMARY KEY, price int, cents decimal(10,2), n int DEFAULT 0)",
			"INSERT INTO items (id, price, cents) VALUES (1, 10, 10.00), (2, 10, 10.49), (3, 10, 9.99), (4, NULL, NULL), (5, NULL, 1.00), (6, 10, NULL), (7, 0, 0.00), (8, -1, -0.50)")
		l := pair("0007_cents", "items", "price", "cents", "decimal(10,2)")
		l.OldType, l.Up, l.Down = "int(11)", "price * 1.00", "FLOOR(cents)"
		before := w.column("SELECT CONCAT_WS('|', id, COALESCE(price, 'null'), COALESCE(cents, 'null')) FROM items ORDER BY id")
		out := w.column("SELECT id FROM items WHERE " + mysql.OutOfStep(l, "items") + " ORDER BY id")
		w.sync("items", l)
		w.exec("UPDATE items SET n = 1")
		after := w.column("SELECT CONCAT_WS('|', id, COALESCE(price, 'null'), COALESCE(cents, 'null')) FROM items ORDER BY id")
		var healed []string
		for i := range before {
			if before[i] != after[i] {
				healed = append(healed, fmt.Sprint(i+1))
			}
		}
		is(w, "healed by the trigger", strings.Join(healed, " "), strings.Join(out, " "))
		is(w, "out of step", strings.Join(out, " "), "3 5 6")
		is(w, "out of step afterwards", get[int](w, "SELECT COUNT(*) FROM items WHERE "+mysql.OutOfStep(l, "items")), 0)
	})
}

func TestSubstitute(t *testing.T) {
	for _, c := range [][2]string{
		{"price * 100", "NEW.`p` * 100"}, {"PRICE", "NEW.`p`"}, {"`price`+price2", "NEW.`p`+price2"}, {"'price'", "'price'"}, {`"price"`, `"price"`}, {"'a\\'price' || price", "'a\\'price' || NEW.`p`"},
		{"price(price)", "price(NEW.`p`)"}, {"t.price", "t.price"}, {"price /* price */ # price", "NEW.`p` /* price */ # price"}, {"@price", "@price"}, {"preis_price", "preis_price"}, {"`pri``ce`", "`pri``ce`"},
	} {
		if got := mysql.Substitute(c[0], "price", "NEW.`p`"); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
}
