package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Every way to write a row. State is id, old, new of all rows.
func TestSyncOfEveryWayToWrite(t *testing.T) {
	t.Parallel()
	s := newSynced(t, `CREATE TABLE users (id bigint PRIMARY KEY, email text UNIQUE, n int DEFAULT 0);
		CREATE TABLE source (id bigint, v text); INSERT INTO source VALUES (2, 's2'), (3, 's3')`, rename("users", "email", "email_address"))
	type write struct{ statement, want string }
	const row = "1 a -" // before each statement; the backfill has not been there
	writes := []write{
		{"INSERT INTO users (id, email) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email", "1 x x"},
		{"INSERT INTO users (id, email) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email || users.email", "1 xa xa"},
		{"INSERT INTO users (id, email_address) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET email_address = EXCLUDED.email_address", "1 x x"},
		{"INSERT INTO users (id, email) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET email_address = EXCLUDED.email_address", "1 x x"}, // EXCLUDED has been through the sync
		{"INSERT INTO users (id, email_address) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email", "1 x x"},
		{"INSERT INTO users (id, email) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET n = 1", "1 a a"},
		{"INSERT INTO users (id, email) VALUES (1, 'x') ON CONFLICT (id) DO NOTHING", "1 a -"},
		{"INSERT INTO users (id, email) VALUES (7, 'a') ON CONFLICT (email) DO UPDATE SET n = 1", "1 a a"},
		{"INSERT INTO users (id, email_address) VALUES (7, 'a') ON CONFLICT (email) DO UPDATE SET email_address = 'y'", "1 y y"},
		{"INSERT INTO users (id, email_address) VALUES (7, 'a') ON CONFLICT DO NOTHING", "1 a -"},
		{"INSERT INTO users (id, email) SELECT id, v FROM source", "1 a -, 2 s2 s2, 3 s3 s3"},
		{"INSERT INTO users (id, email_address) SELECT id, v FROM source", "1 a -, 2 s2 s2, 3 s3 s3"},
		{"INSERT INTO users (id, email) VALUES (2, 'b'), (3, NULL), (4, 'd')", "1 a -, 2 b b, 3 - -, 4 d d"},
		{"INSERT INTO users (id, email, email_address) VALUES (2, 'b', NULL), (3, NULL, 'c'), (4, 'd', 'e')", "1 a -, 2 b b, 3 c c, 4 e e"},
		{"INSERT INTO users VALUES (2, 'b')", "1 a -, 2 b b"},         // old code without a column list
		{"INSERT INTO users VALUES (2, 'b', 0, 'c')", "1 a -, 2 c c"}, // new code without a column list
		{"UPDATE users SET email = v FROM source WHERE source.id = users.id + 1", "1 s2 s2"},
		{"UPDATE users SET email_address = v FROM source WHERE source.id = users.id + 1", "1 s2 s2"},
		{"UPDATE users SET (email, n) = (SELECT 'x', 2)", "1 x x"},
		{"WITH w AS (UPDATE users SET email = 'x' RETURNING *) INSERT INTO users (id, email_address) SELECT id + 1, email_address || '2' FROM w", "1 x x, 2 x2 x2"},
		{"DO $$ DECLARE c CURSOR FOR SELECT * FROM users FOR UPDATE; BEGIN FOR r IN c LOOP UPDATE users SET email_address = 'x' WHERE CURRENT OF c; END LOOP; END $$", "1 x x"},
		{"BEGIN; UPDATE users SET email = 'x'; UPDATE users SET email_address = 'y'; UPDATE users SET email = 'z'; COMMIT", "1 z z"},
		{"BEGIN; UPDATE users SET email = 'x'; SAVEPOINT a; UPDATE users SET email_address = 'y'; ROLLBACK TO a; COMMIT", "1 x x"},
		{"PREPARE p AS UPDATE users SET email_address = $1; EXECUTE p('x'); EXECUTE p('y'); DEALLOCATE p", "1 y y"},
	}
	if s.d.Version >= 150000 {
		writes = append(writes,
			write{"MERGE INTO users USING source ON source.id = users.id + 1 WHEN MATCHED THEN UPDATE SET email = v WHEN NOT MATCHED THEN INSERT (id, email) VALUES (source.id, v)", "1 s2 s2, 3 s3 s3"},
			write{"MERGE INTO users USING source ON source.id = users.id + 1 WHEN MATCHED THEN UPDATE SET email_address = v WHEN NOT MATCHED THEN INSERT (id, email_address) VALUES (source.id, v)", "1 s2 s2, 3 s3 s3"},
			write{"MERGE INTO users USING source ON source.id = users.id + 1 WHEN MATCHED THEN UPDATE SET n = 1", "1 a a"})
	}
	for _, w := range writes {
		s.exec("DELETE FROM users")
		s.asIs("users", "INSERT INTO users (id, email) VALUES (1, 'a')")
		s.want(row, "SELECT id, email, email_address FROM users")
		s.exec(w.statement)
		if got := s.text("SELECT id, email, email_address FROM users ORDER BY id"); got != w.want {
			t.Errorf("%s\n got %s\nwant %s", w.statement, got, w.want)
		}
	}
	s.exec("DELETE FROM users")
	s.want("b b", "INSERT INTO users (id, email) VALUES (1, 'b') RETURNING email, email_address")
	s.want("c c", "INSERT INTO users (id, email_address) VALUES (2, 'c') RETURNING email, email_address")
	s.want("d d", "UPDATE users SET email = 'd' WHERE id = 1 RETURNING email, email_address")
	s.want("e e", "UPDATE users SET email_address = 'e' WHERE id = 1 RETURNING email, email_address")
	s.want("f f", "INSERT INTO users (id, email) VALUES (1, 'f') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email RETURNING email, email_address")
}

func TestSyncOfCopy(t *testing.T) {
	t.Parallel()
	s := newSynced(t, emailTable, rename("users", "email", "email_address"))
	for _, columns := range []string{"(id, email)", "(id, email_address)", "(id, email, email_address)"} {
		in := "1\ta\n2\t\\N\n3\tc\n"
		if strings.Count(columns, ",") == 2 {
			in = "1\tx\ta\n2\t\\N\t\\N\n3\tc\t\\N\n"
		}
		c := s.session()
		if err := c.Raw(func(driver any) error {
			conn := driver.(interface{ Conn() *pgx.Conn }).Conn()
			_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(in), "COPY users "+columns+" FROM STDIN")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		s.want("1 a a, 2 - -, 3 c c", "SELECT id, email, email_address FROM users ORDER BY id")
		s.exec("TRUNCATE users")
	}
}

// Foreign keys that cascade write through the sync, and so do other tables' triggers.
func TestSyncOfCascades(t *testing.T) {
	t.Parallel()
	s := newSynced(t, `CREATE TABLE parent (k text PRIMARY KEY); INSERT INTO parent VALUES ('a'), ('b'), ('c'), ('d');
		CREATE TABLE t (id int PRIMARY KEY, o text DEFAULT 'd' REFERENCES parent ON UPDATE CASCADE ON DELETE SET NULL);
		CREATE TABLE u (id int PRIMARY KEY, o text DEFAULT 'd' REFERENCES parent ON DELETE SET DEFAULT);
		INSERT INTO t VALUES (1, 'a'), (2, 'b'); INSERT INTO u VALUES (1, 'c')`, rename("t", "o", "w"), rename("u", "o", "w"))
	s.exec("UPDATE parent SET k = 'A' WHERE k = 'a'")
	s.want("1 A A, 2 b -", "SELECT id, o, w FROM t ORDER BY 1")
	s.exec("DELETE FROM parent WHERE k IN ('b', 'c')")
	s.want("1 A A, 2 - -", "SELECT id, o, w FROM t ORDER BY 1")
	s.want("1 d d", "SELECT id, o, w FROM u")
	s.exec("DELETE FROM parent WHERE k = 'A'")
	s.want("1 - -, 2 - -", "SELECT id, o, w FROM t ORDER BY 1")
}
