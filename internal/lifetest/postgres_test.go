package lifetest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// postgres is the family of PostgreSQL.
type postgres struct{}

func (postgres) name() string { return "postgres" }

func (postgres) open(dsn, program string) (*sql.DB, error) {
	mark := "?"
	if strings.Contains(dsn, "?") {
		mark = "&"
	}
	return sql.Open("pgx", dsn+mark+"timezone=UTC&application_name="+program)
}

func (postgres) types() []columnType {
	return []columnType{
		{"integer", []string{"0", "1", "-7", "2147483647", "42"}},
		{"text", []string{"bob", "Bob", "", "bob ", "ü"}},
		{"citext", []string{"bob", "Bob", "BOB", "", "x"}},
		{"numeric", []string{"1", "1.0", "1.00", "0", "-3.140"}},
		{"json", []string{`{"a":1}`, `{"a": 1}`, `[]`, `"x"`, `1.0`}},
		{"varchar(40)", []string{"a", "A", "a ", "'quoted'", `back\slash`}},
		{"timestamptz", []string{"2026-01-01 00:00:00+00", "2026-01-01 00:00:00.000001+00", "infinity", "1999-12-31 23:59:59+00", "2026-06-01 12:00:00+00"}},
	}
}

// allowed: json has no = that an index, a check or a constant default could use.
func (postgres) allowed(s shape) shape {
	if s.Type == "json" {
		s.Default, s.Index, s.Check = "", false, false
	}
	if s.Partitioned {
		s.Index, s.Check = false, false
	}
	return s
}

func (postgres) literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func (p postgres) value(s shape, v *string) string {
	if v == nil {
		return "NULL"
	}
	return p.literal(*v) + "::" + s.Type
}

func (p postgres) ddl(s shape, table string) []string {
	cols := map[string]string{"bigint": "k1 bigint NOT NULL", "uuid": "k1 uuid NOT NULL", "composite": "k1 integer NOT NULL, k2 text NOT NULL"}[s.Key]
	col := "a " + s.Type
	if s.Default != "" {
		col += " DEFAULT " + p.literal(s.Default)
	}
	if s.NotNull {
		col += " NOT NULL"
	}
	key := s.keyColumns()
	tail := ""
	if s.Partitioned {
		key += ", part"
		tail = " PARTITION BY LIST (part)"
	}
	out := []string{fmt.Sprintf("CREATE TABLE %s (%s, part integer NOT NULL DEFAULT 0, %s, n integer NOT NULL DEFAULT 0, PRIMARY KEY (%s))%s", table, cols, col, key, tail)}
	if s.Partitioned {
		for part := range 2 {
			out = append(out, fmt.Sprintf("CREATE TABLE %s_%d PARTITION OF %[1]s FOR VALUES IN (%[2]d)", table, part))
		}
	}
	if s.Index {
		out = append(out, fmt.Sprintf("CREATE INDEX %s_a ON %[1]s (a, n)", table))
	}
	if s.Check {
		out = append(out, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %[1]s_a_check CHECK (a IS DISTINCT FROM NULL OR n >= 0)", table))
	}
	return out
}

// textsFunction shows the columns under test as text, under whatever names they have.
const textsFunction = `CREATE FUNCTION texts(i items, names text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE c text; v text; out jsonb := '{}';
BEGIN
  FOREACH c IN ARRAY names LOOP
    IF to_jsonb(i) ? c THEN
      EXECUTE format('SELECT ($1).%I::text', c) INTO v USING i;
      out := out || jsonb_build_object(c, v);
    END IF;
  END LOOP;
  RETURN out;
END $$`

func (p postgres) prepare(s shape) []string {
	var out []string
	if s.Type == "citext" {
		out = append(out, "CREATE EXTENSION citext")
	}
	return append(append(out, p.ddl(s, "items")...), textsFunction)
}

func (postgres) image(ctx context.Context, q querier, s shape, n int) (map[string]*string, error) {
	var raw []byte
	err := q.QueryRowContext(ctx, fmt.Sprintf("SELECT texts(i, ARRAY['a', 'b', 'a~hidden'])::text FROM items i WHERE %s", s.where(n))).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var m map[string]*string
	return m, json.Unmarshal(raw, &m)
}

func (postgres) upsert(s shape, n int, column, value string) string {
	return fmt.Sprintf("INSERT INTO items (%s, %s, n) VALUES (%s, %s, 1) ON CONFLICT (%[1]s) DO UPDATE SET %[2]s = EXCLUDED.%[2]s, n = items.n + 1",
		s.keyColumns(), column, s.keyOf(n), value)
}

func (postgres) lockRow(s shape, n int) string {
	return fmt.Sprintf("SELECT n FROM items WHERE %s FOR UPDATE", s.where(n))
}

const schemaSQL = `SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
  SELECT format('column %s %s %s %s', attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)) AS line
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = '%[1]s'::regclass AND attnum > 0 AND NOT attisdropped
  UNION ALL SELECT 'index ' || replace(pg_get_indexdef(indexrelid), '%[1]s', 'T') || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END FROM pg_index WHERE indrelid = '%[1]s'::regclass
  UNION ALL SELECT 'constraint ' || replace(conname, '%[1]s', 'T') || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '%[1]s'::regclass
  UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgrelid = '%[1]s'::regclass AND NOT tgisinternal) s`

func (postgres) schema(ctx context.Context, db *sql.DB, table string) (string, error) {
	var out string
	return out, db.QueryRowContext(ctx, strings.ReplaceAll(schemaSQL, "%[1]s", table)).Scan(&out)
}

func (postgres) state(table string) string { return "phased." + table }
