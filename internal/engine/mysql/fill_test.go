package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// filling is a table with rows that were there before expand, a new column, the
// sync, and a fill that waits.
type filling struct {
	*Engine
	t    *testing.T
	db   *sql.DB
	dsn  string
	link plan.Link
}

// families runs fn on each family of servers at hand; MySQL is left out where there is none.
func families(t *testing.T, fn func(t *testing.T, d plan.Dialect)) {
	t.Helper()
	t.Parallel()
	for _, d := range []plan.Dialect{plan.DialectMariaDB, plan.DialectMySQL} {
		if d == plan.DialectMySQL && !scratch.Available(d) {
			t.Log("no MySQL at hand: left out")
			continue
		}
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			fn(t, d)
		})
	}
}

// one to a hundred.
const hundred = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 100)"

// tens is a table of the rows 1 to 10.
var tens = []string{"CREATE TABLE t (id int PRIMARY KEY, old varchar(100))", "INSERT INTO t " + hundred + " SELECT i, 'v' FROM s WHERE i <= 10"}

// newFilling runs setup, which makes table "t" with its rows and column "old", and
// expands it with a column "new" of the same type.
func newFilling(t *testing.T, d plan.Dialect, setup []string, key []string, change func(*plan.Link)) *filling {
	t.Helper()
	s := scratch.On(t, d)
	f := &filling{Engine: New(s.DB, d, nil), t: t, db: s.DB, dsn: s.DSN}
	f.link = plan.Link{ID: "m/1", Migration: "m", Table: "t", Old: "old", New: "new", Hidden: "old~hidden", Type: "varchar(100)", OldType: "varchar(100)"}
	if change != nil {
		change(&f.link)
	}
	if err := f.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.exec(setup...)
	f.exec("ALTER TABLE t ADD COLUMN " + ident(f.link.New) + " " + f.link.Type)
	f.exec(f.Compose("", "t", []plan.Link{f.link})...)
	spec, err := json.Marshal(plan.Fill{Link: f.link, Key: key, Table: "t"})
	if err != nil {
		t.Fatal(err)
	}
	f.exec("INSERT INTO phased_migration (name, checksum, state, fills, reason, created_at, state_at) VALUES ('m', 'x', 'expanded', 1, '', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
		"INSERT INTO phased_fill (id, migration, spec, last_error) VALUES ('m/1', 'm', "+literal(string(spec))+", '')")
	return f
}

func (f *filling) exec(statements ...string) {
	f.t.Helper()
	err := f.Engine.with(f.t.Context(), pinned{}, func(c *sql.Conn) error {
		for _, s := range statements {
			if _, err := c.ExecContext(f.t.Context(), s); err != nil {
				return fmt.Errorf("%w\n%s", err, s)
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func ask[T any](f *filling, query string) T {
	f.t.Helper()
	var v T
	if err := f.db.QueryRowContext(f.t.Context(), query).Scan(&v); err != nil {
		f.t.Fatalf("%v\n%s", err, query)
	}
	return v
}

func (f *filling) start(worker string) (*engine.Fill, int64) {
	f.t.Helper()
	token, err := f.Claim(f.t.Context(), "m/1", worker, time.Minute)
	if err != nil || token == 0 {
		f.t.Fatalf("claim: token %d, %v", token, err)
	}
	fill, err := f.Start(f.t.Context(), "m/1", token)
	if err != nil {
		f.t.Fatal(err)
	}
	return fill, token
}

func (f *filling) next(fill *engine.Fill, limit int) *engine.Range {
	f.t.Helper()
	r, err := f.Next(f.t.Context(), fill, fill.Cursor, limit)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// walk fills everything in chunks and returns how many there were.
func (f *filling) walk(fill *engine.Fill, token int64, limit int) (chunks int, rows int64) {
	f.t.Helper()
	for {
		r := f.next(fill, limit)
		if r == nil {
			break
		}
		if _, err := f.Write(f.t.Context(), fill, token, *r, time.Minute); err != nil {
			f.t.Fatal(err)
		}
		chunks, rows = chunks+1, rows+r.Rows
		if r.Last {
			break
		}
	}
	if err := f.Walked(f.t.Context(), fill.ID, token); err != nil {
		f.t.Fatal(err)
	}
	return chunks, rows
}

func (f *filling) outOfStep() int64 {
	f.t.Helper()
	n, err := f.OutOfStep(f.t.Context(), f.link)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// pool is an engine on a pool of its own with other settings.
func (f *filling) pool(change func(*driver.Config)) *Engine {
	f.t.Helper()
	cfg, err := driver.ParseDSN(f.dsn)
	if err != nil {
		f.t.Fatal(err)
	}
	cfg.Logger = &driver.NopLogger{}
	change(cfg)
	c, err := driver.NewConnector(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	db := sql.OpenDB(c)
	f.t.Cleanup(func() { db.Close() })
	return New(db, f.dialect, nil)
}

// foreign sets sessions up as differently from ours as a user's may be.
func foreign(cfg *driver.Config) {
	cfg.ParseTime, cfg.ClientFoundRows, cfg.InterpolateParams = true, true, true
	cfg.Loc = time.FixedZone("elsewhere", 3*3600)
	cfg.Params = map[string]string{
		"sql_mode": "'ANSI,NO_BACKSLASH_ESCAPES,NO_ZERO_DATE,NO_ZERO_IN_DATE,PAD_CHAR_TO_FULL_LENGTH'", "time_zone": "'+05:30'",
		"collation_connection": "latin1_swedish_ci", "character_set_results": "latin1", "sql_safe_updates": "1", "lc_time_names": "'de_DE'", "div_precision_increment": "1",
	}
}

// reads counts what the statements read through handlers: index entries and rows.
func (f *filling) reads(statements ...string) (n int64) {
	f.t.Helper()
	err := f.Engine.with(f.t.Context(), pinned{}, func(c *sql.Conn) error {
		count := func() (n int64, err error) {
			rows, err := c.QueryContext(f.t.Context(), "SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_first', 'Handler_read_key', 'Handler_read_last', 'Handler_read_next', 'Handler_read_prev', 'Handler_read_rnd')")
			if err != nil {
				return 0, err
			}
			defer rows.Close()
			for rows.Next() {
				var name string
				var one int64
				if err := rows.Scan(&name, &one); err != nil {
					return 0, err
				}
				n += one
			}
			return n, rows.Err()
		}
		for _, s := range statements {
			before, err := count()
			if err != nil {
				return err
			}
			if _, err := c.ExecContext(f.t.Context(), s); err != nil {
				return fmt.Errorf("%w\n%s", err, s)
			}
			after, err := count()
			if err != nil {
				return err
			}
			n += after - before
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// members are those of a set.
func members(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("'s%d'", i))
	}
	return strings.Join(out, ",")
}

const mixedCase = `CONCAT(IF(i % 2 = 0, 'A', 'a'), CHAR(97 + i % 26 USING utf8mb4), i)`

func TestWalkEveryKeyType(t *testing.T) {
	for _, c := range []struct {
		name, types, values string // separated by ";", with i from 1 to 100
		index               string // of the key; "": plain
		only                plan.Dialect
		rows                int64 // 0: 100
	}{
		{name: "tinyint", types: "tinyint", values: "i - 50"},
		{name: "int unsigned zerofill", types: "int unsigned zerofill", values: "i * 41943040"},
		{name: "bigint", types: "bigint", values: "(i - 50) * 100000000000000007"},
		{name: "bigint unsigned", types: "bigint unsigned", values: "18446744073709551615 - (i - 1) * 2"},
		{name: "decimal", types: "decimal(65,30)", values: "(i - 50) * 12345678901234567890123456789.000000000000000000000000000001"},
		{name: "decimal without fraction", types: "decimal(40,0)", values: "(i - 50) * 1234567890123456789012345678"},
		{name: "float", types: "float", values: "(i - 50) / 7e10"},
		{name: "float with decimals", types: "float(9,3)", values: "(i - 50) / 7e0"},
		{name: "double", types: "double", values: "(i - 50) / 7e0 * POW(10, i - 50)"},
		{name: "bit", types: "bit(64)", values: "18446744073709551615 - (i - 1) * 2"},
		{name: "bit small", types: "bit(7)", values: "i"},
		{name: "year", types: "year", values: "IF(i = 1, 0, 1900 + i)"},
		{name: "enum", types: "enum('sad','ok','it''s so, so','a')", values: "i", rows: 4},
		{name: "set", types: "set('a','b','c','d','e','f','g')", values: "i"},
		{name: "set of 53", types: "set(" + members(53) + ")", values: "9007199254740991 - (i - 1) * 2"},
		{name: "varchar", types: "varchar(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", values: `CONCAT(LEFT(SHA2(i, 256), 32), '''\\" ; ', CHAR(0, 10, 26 USING utf8mb4), '🐘')`},
		{name: "varchar that looks like bytes", types: "varchar(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", values: `CONCAT('0x', LEFT(SHA2(i, 256), 32), 'Ä')`},
		{name: "varchar general_ci", types: "varchar(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", values: mixedCase},
		{name: "varchar unicode_ci", types: "varchar(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", values: mixedCase},
		{name: "varchar 0900", types: "varchar(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", values: "CONCAT(" + mixedCase + ", ' ')", only: plan.DialectMySQL},
		{name: "varchar 0900 as_cs", types: "varchar(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs", values: mixedCase, only: plan.DialectMySQL},
		{name: "varchar uca1400", types: "varchar(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci", values: mixedCase, only: plan.DialectMariaDB},
		{name: "varchar nopad", types: "varchar(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin", values: "CONCAT('x', REPEAT(' ', i))", only: plan.DialectMariaDB, rows: 70},
		{name: "char", types: "char(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", values: mixedCase},
		{name: "char nopad", types: "char(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin", values: mixedCase, only: plan.DialectMariaDB},
		{name: "char 0900", types: "char(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", values: mixedCase, only: plan.DialectMySQL},
		{name: "utf8mb3", types: "varchar(80) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci", values: "CONCAT(" + mixedCase + ", 'ü')"},
		{name: "latin1", types: "varchar(80) CHARACTER SET latin1 COLLATE latin1_swedish_ci", values: "CONCAT(" + mixedCase + ", 'ü')"},
		{name: "latin1 every byte", types: "varchar(80) CHARACTER SET latin1 COLLATE latin1_bin", values: "UNHEX(HEX(155 + i))"},
		{name: "latin1_german2_ci", types: "varchar(80) CHARACTER SET latin1 COLLATE latin1_german2_ci", values: "CONCAT(" + mixedCase + ", 'ß')"},
		{name: "ascii", types: "varchar(80) CHARACTER SET ascii COLLATE ascii_general_ci", values: mixedCase},
		{name: "cp932", types: "varchar(80) CHARACTER SET cp932 COLLATE cp932_japanese_ci", values: "CONCAT(UNHEX(HEX(60736 + 64 + i % 62)), i)"}, // 0xED40…: characters with two codes
		{name: "gbk", types: "varchar(80) CHARACTER SET gbk COLLATE gbk_chinese_ci", values: "CONCAT('好', i)"},
		{name: "utf16", types: "varchar(80) CHARACTER SET utf16 COLLATE utf16_general_ci", values: "CONCAT('好🐘', i)"},
		{name: "ucs2 czech", types: "varchar(80) CHARACTER SET ucs2 COLLATE ucs2_czech_ci", values: "CONCAT('ch', i)"},
		{name: "text of bytes", types: "varchar(80) CHARACTER SET binary", values: "LEFT(SHA2(i, 256), 32)"},
		{name: "binary", types: "binary(16)", values: "UNHEX(LEFT(SHA2(i, 256), 32))"},
		{name: "binary shorter", types: "binary(20)", values: "UNHEX(LEFT(SHA2(i, 256), 32))"},
		{name: "varbinary", types: "varbinary(40)", values: "CONCAT(UNHEX(LEFT(SHA2(i, 256), 32)), CHAR(0))"},
		{name: "date", types: "date", values: "IF(i = 1, '0000-00-00', IF(i = 2, '2024-02-31', '2024-01-01' + INTERVAL i DAY))"},
		{name: "datetime", types: "datetime(6)", values: "IF(i = 1, '0000-00-00', '2024-03-10 05:59:59.999990' + INTERVAL i * 37000001 MICROSECOND)"},
		{name: "timestamp", types: "timestamp(6)", values: "IF(i = 1, '0000-00-00', '2024-03-31 00:00:00.999990' + INTERVAL i * 37000001 MICROSECOND)"},
		{name: "time", types: "time(6)", values: "SEC_TO_TIME((i - 50) * 60000.000001)"},
		{name: "uuid", types: "uuid", values: "CONCAT(LEFT(SHA2(i, 256), 12), '4000', '8000', RIGHT(SHA2(i, 256), 12))", only: plan.DialectMariaDB},
		{name: "inet6", types: "inet6", values: "CONCAT('fe80::', HEX(i * 600))", only: plan.DialectMariaDB},
		{name: "inet4", types: "inet4", values: "CONCAT('10.0.', i, '.1')", only: plan.DialectMariaDB},
		{name: "descending", types: "int", values: "i", index: "`K \"``0` DESC"},
		{name: "two columns", types: "int;binary(16)", values: "i % 3;UNHEX(LEFT(SHA2(i, 256), 32))"},
		{name: "three columns", types: "varchar(10);date;bigint", values: "CONCAT('t', i % 2);'2024-01-01' + INTERVAL i % 5 DAY;i"},
		{name: "three columns up and down", types: "varchar(10);date;bigint", values: "CONCAT('t', i % 2);'2024-01-01' + INTERVAL i % 5 DAY;i", index: "`K \"``0` DESC, `K \"``1`, `K \"``2` DESC"},
		{name: "equal words before bigint", types: "varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;bigint", values: "CASE WHEN i = 100 THEN 'BOB ' WHEN i % 3 = 0 THEN 'Bob' WHEN i % 3 = 1 THEN 'bob' ELSE 'ann' END;i"},
		{name: "equal zeros before bigint", types: "double;bigint", values: "CASE WHEN i % 3 = 0 THEN 0e0 WHEN i % 3 = 1 THEN -0e0 ELSE 1 END;i"},
		{name: "equal latin1 words before bigint", types: "char(10) CHARACTER SET latin1 COLLATE latin1_german2_ci;bigint", values: "CASE WHEN i % 3 = 0 THEN 'Straße' WHEN i % 3 = 1 THEN 'STRASSE' ELSE 'straße' END;i"},
	} {
		t.Run(c.name, func(t *testing.T) {
			families(t, func(t *testing.T, d plan.Dialect) {
				if c.only != "" && c.only != d {
					return
				}
				rows := c.rows
				if rows == 0 {
					rows = 100
				}
				var cols, defs []string
				for i, typ := range strings.Split(c.types, ";") {
					name := fmt.Sprintf("K \"`%d", i)
					cols, defs = append(cols, name), append(defs, ident(name)+" "+typ+" NOT NULL")
				}
				index := c.index
				if index == "" {
					index = idents(cols)
				}
				f := newFilling(t, d, []string{fmt.Sprintf("CREATE TABLE t (%s, old varchar(100), PRIMARY KEY (%s)) ENGINE = InnoDB", strings.Join(defs, ", "), index),
					fmt.Sprintf("INSERT INTO t (%s, old) %s SELECT %s, CONCAT('v', i) FROM s WHERE i <= %d", idents(cols), hundred, strings.ReplaceAll(c.values, ";", ", "), rows)}, cols, nil)
				fill, token := f.start("w")
				if fill.Estimate != rows {
					t.Errorf("estimate %d, want %d", fill.Estimate, rows)
				}
				one, other := f.Engine, f.pool(foreign)
				var chunks int
				var seen int64
				for last := false; !last; chunks++ {
					r, err := one.Next(t.Context(), fill, fill.Cursor, 7)
					if err != nil {
						t.Fatal(err)
					}
					if r == nil {
						break
					}
					k := fill.Walk.(*keyset)
					if n := f.reads(k.selectAll(r.From, r.To)...); n > r.Rows+2*int64(len(k.pieces(r.From, r.To))) {
						t.Errorf("%d entries read for the %d rows of a chunk: %v", n, r.Rows, k.pieces(r.From, r.To))
					}
					if _, err := other.Write(t.Context(), fill, token, *r, time.Minute); err != nil {
						t.Fatal(err)
					}
					one, other = other, one
					seen, last = seen+r.Rows, r.Last
				}
				if want := int((rows + 6) / 7); chunks != want || seen != rows {
					t.Errorf("%d chunks of %d rows together, want %d of %d", chunks, seen, want, rows)
				}
				if fill.Filled != rows || fill.Seen != rows || fill.Chunks != int64(chunks) {
					t.Errorf("recorded: filled %d, seen %d, chunks %d; want %d, %[4]d, %d", fill.Filled, fill.Seen, fill.Chunks, rows, chunks)
				}
				if n := f.outOfStep(); n != 0 {
					t.Errorf("%d rows out of step", n)
				}
				if n := ask[int64](f, "SELECT COUNT(*) FROM t WHERE new = old"); n != rows {
					t.Errorf("%d rows filled, want %d", n, rows)
				}
				t.Logf("last key %s", engine.KeyText(fill.Upper))
			})
		})
	}
}

// selectAll reads the rows of a range.
func (k *keyset) selectAll(from, to []string) (out []string) {
	for _, piece := range k.pieces(from, to) {
		out = append(out, "SELECT COUNT(old) FROM "+k.from()+" WHERE "+piece)
	}
	return out
}

var _ = context.Background
var _ = errors.Is
