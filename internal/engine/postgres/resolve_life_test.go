package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

// structure prints a table's columns (in the order of their names: a renamed column
// stands last), constraints, indexes, triggers and grants.
func structure(s *synced, in, table string) string {
	s.t.Helper()
	oid := literal(qualified(in, table)) + "::regclass"
	return strings.ReplaceAll(s.text(`SELECT kind::text, name, text FROM (
		SELECT 1, attname::text, '' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END || coalesce(' default ' || pg_get_expr(adbin, adrelid), '') || ' ' || attstorage::text || coalesce(col_description(attrelid, attnum), '') || coalesce(attoptions::text, '')
			|| coalesce((SELECT ' ' || collname FROM pg_collation c WHERE c.oid = attcollation), '') || coalesce(' ' || attacl::text, '') || CASE WHEN coalesce((to_jsonb(a) ->> 'attstattarget')::int, -1) > -1 THEN to_jsonb(a) ->> 'attstattarget' ELSE '' END
			FROM pg_attribute a LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum WHERE attrelid = `+oid+` AND attnum > 0 AND NOT attisdropped
		UNION ALL SELECT 2, conname::text, pg_get_constraintdef(oid) || coalesce(obj_description(oid, 'pg_constraint'), '') || conindid::regclass::text || convalidated::text FROM pg_constraint WHERE conrelid = `+oid+` OR confrelid = `+oid+` AND conrelid <> confrelid
		UNION ALL SELECT 3, relname::text, pg_get_indexdef(indexrelid) || indisvalid::text || indimmediate::text || coalesce(obj_description(indexrelid, 'pg_class'), '') FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = `+oid+`
		UNION ALL SELECT 4, tgname::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = `+oid+` AND NOT tgisinternal
		UNION ALL SELECT 5, relname::text, relkind::text || coalesce((SELECT attname FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid WHERE objid = pg_class.oid AND deptype = 'a'), '') FROM pg_class WHERE relnamespace = `+literal(in)+`::regnamespace AND relkind IN ('S', 'v')
		) x(kind, name, text) ORDER BY kind, name COLLATE "C", text COLLATE "C"`), in, "S")
}

// lives are tables whose column is renamed; %[1]s is the old name, quoted.
var lives = []struct{ name, from, to, setup string }{
	{"everything that hangs on a column", "email", "email_address", `CREATE TABLE domains (name varchar(200) PRIMARY KEY);
		INSERT INTO domains VALUES ('a@b'), ('nobody');
		CREATE TABLE t (id bigint PRIMARY KEY, %[1]s varchar(200) NOT NULL DEFAULT 'nobody' COLLATE "C", n int,
			CONSTRAINT has_at CHECK (position('@' in %[1]s) > 0 OR %[1]s = 'nobody'), CONSTRAINT u UNIQUE (%[1]s, n) DEFERRABLE INITIALLY DEFERRED,
			CONSTRAINT both_ways CHECK (n > 0 OR length(%[1]s) > 1), UNIQUE (%[1]s), CONSTRAINT f FOREIGN KEY (%[1]s) REFERENCES domains ON UPDATE CASCADE ON DELETE SET DEFAULT DEFERRABLE);
		CREATE INDEX ON t (lower(%[1]s)) WHERE %[1]s <> ''; CREATE INDEX i ON t USING hash (%[1]s); CREATE INDEX ON t (n) INCLUDE (%[1]s); CREATE INDEX other ON t (n);
		COMMENT ON COLUMN t.%[1]s IS 'it''s'; COMMENT ON INDEX i IS 'hash'; COMMENT ON CONSTRAINT has_at ON t IS 'at'; COMMENT ON CONSTRAINT u ON t IS 'u';
		ALTER TABLE t ALTER %[1]s SET STATISTICS 7, ALTER %[1]s SET (n_distinct = 5), ALTER %[1]s SET STORAGE EXTERNAL;
		GRANT SELECT (%[1]s), UPDATE (%[1]s) ON t TO PUBLIC; INSERT INTO t SELECT g, 'a@b', 1 FROM generate_series(1, 1) g`},
	{"quoted", `Order "by"`, "e mail", ""}, {"reserved", "select", "from", ""}, {"mixed case", "Email", "eMail", ""},
	{"non-ASCII", "été", "ÉTÉ naïve ✓", ""}, {"63 bytes", long63, strings.Repeat("y", 63), ""}, {"63 bytes alike", strings.Repeat("z", 62) + "a", strings.Repeat("z", 62) + "b", ""},
	{"with percent and dollar", "100%$1", "a%s$$", ""}, {"backslash", `a\b`, `a\'c`, ""},
	{"primary key", "key", "code", `CREATE TABLE t (%[1]s text, n int, CONSTRAINT "the key" PRIMARY KEY (%[1]s)); COMMENT ON CONSTRAINT "the key" ON t IS 'k'; COMMENT ON INDEX "the key" IS 'i'; INSERT INTO t VALUES ('a', 1)`},
	{"part of the primary key", "key", "code", `CREATE TABLE t (a int, %[1]s bigint DEFAULT 0, n int, PRIMARY KEY (a, %[1]s)); CREATE UNIQUE INDEX ON t (%[1]s); INSERT INTO t VALUES (1, 2, 3)`},
	{"default of a sequence", "num", "number", `CREATE TABLE t (id int PRIMARY KEY, %[1]s bigserial, n int); INSERT INTO t VALUES (1)`},
	{"self-reference", "parent", "parent_id", `CREATE TABLE t (id int PRIMARY KEY, n int, %[1]s int REFERENCES t ON DELETE CASCADE); CREATE INDEX ON t (%[1]s) WHERE %[1]s IS NOT NULL; INSERT INTO t VALUES (1, 1, NULL), (2, 1, 1)`},
	{"enum and arrays", "mood", "moods", `CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE t (id int PRIMARY KEY, %[1]s mood[] NOT NULL DEFAULT '{a}', n int); CREATE INDEX ON t USING gin (%[1]s) WHERE id > 0; INSERT INTO t VALUES (1)`},
}

const plainLife = `CREATE TABLE t (id bigint PRIMARY KEY, %[1]s text UNIQUE NOT NULL DEFAULT 'x', n int, CHECK (%[1]s <> '')); CREATE INDEX ON t (lower(%[1]s)); COMMENT ON COLUMN t.%[1]s IS 'c'; INSERT INTO t VALUES (1, 'v')`

// The end is the schema that a plain RENAME COLUMN gives, and undo gives back the
// one before, from every phase.
func TestARenameEndsAsAPlainRename(t *testing.T) {
	t.Parallel()
	s := newSynced(t, "")
	for i, l := range lives {
		if l.setup == "" {
			l.setup = plainLife
		}
		a, b, c := fmt.Sprintf("life%d", i), fmt.Sprintf("plain%d", i), fmt.Sprintf("undo%d", i)
		for _, in := range []string{a, b, c} {
			s.exec(fmt.Sprintf("CREATE SCHEMA %[1]s; SET LOCAL search_path = %[1]s; ", in) + fmt.Sprintf(l.setup, ident(l.from)))
		}
		// The names that the server gives follow the column's name at the time; a rename keeps them.
		before := structure(s, c, "t")
		s.exec(fmt.Sprintf("ALTER TABLE %s.t RENAME COLUMN %s TO %s", b, ident(l.from), ident(l.to)))
		change := plan.RenameColumn{Table: "t", From: l.from, To: l.to}

		change.Schema = a
		p := s.resolve(change)
		rows := fmt.Sprintf("SELECT t.* FROM (SELECT n, %s FROM %s.t) t ORDER BY 1, 2", ident(l.from), a)
		want := s.text(rows)
		s.run(p, plan.PhaseExpand)
		s.fill()
		for _, phase := range []plan.Phase{plan.PhaseFinish, plan.PhaseHide, plan.PhaseDrop} {
			s.inStep(0)
			s.run(p, phase)
		}
		s.want(want, strings.Replace(rows, ident(l.from), ident(l.to), 1))
		if got, plain := structure(s, a, "t"), structure(s, b, "t"); got != plain {
			t.Errorf("%s: after the life\n%s\nplain rename\n%s", l.name, got, plain)
		}

		// Rollback from every phase.
		change.Schema = c
		for _, until := range [][]plan.Phase{{plan.PhaseExpand}, {plan.PhaseExpand, plan.PhaseFinish}, {plan.PhaseExpand, plan.PhaseFinish, plan.PhaseHide}} {
			p := s.resolve(change)
			for _, phase := range until {
				s.run(p, phase)
				if phase == plan.PhaseExpand {
					s.fill()
				}
			}
			for _, step := range p.Of(plan.PhaseUndo) {
				if step.Sync.Show != "" && s.text(step.Done) == "true" { // it was not hidden
					continue
				}
				for _, text := range s.compose(step) {
					s.exec(text)
				}
			}
			if after := structure(s, c, "t"); after != before {
				t.Errorf("%s: undo from %s gives\n%s\nbefore\n%s", l.name, until[len(until)-1], after, before)
			}
		}
	}
	s.want("", "SELECT proname FROM pg_proc WHERE pronamespace = 'phased'::regnamespace UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'phased'::regnamespace AND relname LIKE 'old writes%'")
}
