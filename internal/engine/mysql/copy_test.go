package mysql_test

import (
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

// The server makes an index for a foreign key that has none, and takes it away when
// another one will do, also one that it has made: on a copy it would be gone.
func TestIndexThatAForeignKeyHasMade(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE kinds (id int PRIMARY KEY)",
			"CREATE TABLE users (id bigint PRIMARY KEY, kind int NOT NULL, CONSTRAINT users_kind FOREIGN KEY (kind) REFERENCES kinds (id))")
		_, err := w.eng.Resolve(t.Context(), migration("0001", plan.RenameColumn{Table: "users", From: "kind", To: "sort"}), nil)
		w.must(err)
	})
}
