package mysql_test

import (
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

func migration(name string, changes ...plan.Change) *plan.Migration {
	m := &plan.Migration{Name: name, Checksum: plan.Checksum(name)}
	for i, c := range changes {
		m.Statements = append(m.Statements, plan.Statement{Change: c, Index: i + 1})
	}
	return m
}

func TestTryOut(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE p (k varchar(50) PRIMARY KEY)", "CREATE TABLE users (id bigint PRIMARY KEY, email varchar(50) NOT NULL COMMENT 'mail', n int, UNIQUE KEY u (email), KEY e2 (n, email(5) DESC), FOREIGN KEY (email) REFERENCES p(k) ON DELETE CASCADE)", "INSERT INTO p VALUES ('a')", "INSERT INTO users VALUES (1, 'a', 1)")
		p, err := w.eng.Resolve(t.Context(), migration("0001", plan.RenameColumn{Table: "users", From: "email", To: "email_address"}), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(p.SQL())
	})
}
