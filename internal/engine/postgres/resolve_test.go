package postgres

import (
	"encoding/json"
	"testing"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
)

func migration(name string, changes ...plan.Change) *plan.Migration {
	m := &plan.Migration{Name: name, Checksum: plan.Checksum(name)}
	for _, c := range changes {
		m.Statements = append(m.Statements, plan.Statement{Change: c})
	}
	return m
}

func TestResolveRenameColumnCarriesEverythingOver(t *testing.T) {
	t.Parallel()
	db := scratch.Postgres(t)
	if _, err := db.DB.Exec(`
		CREATE TABLE domains (name text PRIMARY KEY);
		CREATE TABLE users (id bigint PRIMARY KEY, email varchar(200) NOT NULL DEFAULT 'nobody' COLLATE "C",
			n int, CONSTRAINT has_at CHECK (position('@' in email) > 0 OR email = 'nobody'), CONSTRAINT u UNIQUE (email, n) DEFERRABLE,
			FOREIGN KEY (email) REFERENCES domains ON DELETE CASCADE);
		CREATE INDEX ON users (lower(email)) WHERE email <> '';
		COMMENT ON COLUMN users.email IS 'it''s';
		INSERT INTO domains VALUES ('a@b'); INSERT INTO users VALUES (1, 'a@b')`); err != nil {
		t.Fatal(err)
	}
	p, err := New(db.DB, nil).Resolve(t.Context(), migration("0001", plan.RenameColumn{Table: "users", From: "email", To: "e mail"}), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.MarshalIndent(p, "", " ")
	t.Log(string(b))
}
