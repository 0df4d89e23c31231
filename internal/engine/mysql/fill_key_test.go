package mysql

import (
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

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

// keyCase is a key and its values.
type keyCase struct {
	name, types, values string // separated by ";", with i from 1 to 100
	index               string // of the key; "": plain
	only                plan.Dialect
	rows                int64 // 0: 100
}

var keyCases = []keyCase{
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
}

func TestWalkEveryKeyType(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newDatabase(t, d)
		other := f.pool(foreign)
		for _, c := range keyCases {
			if c.only == "" || c.only == d {
				t.Run(c.name, func(t *testing.T) {
					g := *f
					g.t = t
					g.walkKey(c, other)
				})
			}
		}
	})
}

// walkKey fills a table along a key. Two workers take turns, whose connections have
// other settings.
func (f *filling) walkKey(c keyCase, other *Engine) {
	t, rows := f.t, c.rows
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
	f.expand([]string{fmt.Sprintf("CREATE TABLE t (%s, old varchar(100), PRIMARY KEY (%s)) ENGINE = InnoDB", strings.Join(defs, ", "), index),
		fmt.Sprintf("INSERT INTO t (%s, old) %s SELECT %s, CONCAT('v', i) FROM s WHERE i <= %d", idents(cols), hundred, strings.ReplaceAll(c.values, ";", ", "), rows)}, cols, nil)
	fill, token := f.start("w")
	if fill.Estimate != rows {
		t.Errorf("estimate %d, want %d", fill.Estimate, rows)
	}
	one := f.Engine
	var chunks int
	var seen int64
	for last := false; !last; chunks++ {
		r, err := one.Next(t.Context(), fill, fill.Cursor, 17)
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
	if want := int((rows + 16) / 17); chunks != want || seen != rows {
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
}

// selectAll reads the rows of a range.
func (k *keyset) selectAll(from, to []string) (out []string) {
	for _, piece := range k.pieces(from, to) {
		out = append(out, "SELECT COUNT(old) FROM "+k.from()+" WHERE "+piece)
	}
	return out
}

// A key that cannot be walked along is an error that says why and what to do.
func TestUnusableKeys(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newDatabase(t, d)
		invisible := map[plan.Dialect]string{plan.DialectMySQL: "INVISIBLE", plan.DialectMariaDB: "IGNORED"}[d]
		for _, c := range []struct{ columns, key, want string }{
			{"id int", "", "has no key to walk along"},
			{"id int NOT NULL, KEY (id)", "id", "no unique index has these columns"},
			{"id int, UNIQUE (id)", "id", "column `id` may be null (id)"},
			{"id int NOT NULL, b int NOT NULL, UNIQUE (id, b)", "id", "no unique index has these columns"},
			{"id varchar(200), PRIMARY KEY (id(10))", "id", "column `id` is in the index with a prefix only (PRIMARY)"},
			{"id blob, PRIMARY KEY (id(10))", "id", "with a prefix only"},
			{"a int PRIMARY KEY, id int NOT NULL, UNIQUE KEY x (id) " + invisible, "id", "in an index that the optimizer ignores (x)"},
			{"id set(" + members(54) + ") PRIMARY KEY", "id", "a set of more than 53 members"},
		} {
			var key []string
			if c.key != "" {
				key = []string{c.key}
			}
			f.expand([]string{"CREATE TABLE t (" + c.columns + ", old varchar(100))"}, key, nil)
			token, err := f.Claim(t.Context(), "m/1", "w", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Start(t.Context(), "m/1", token)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.key != "" && !strings.Contains(err.Error(), "create a unique index on NOT NULL columns") {
				t.Errorf("%s: %v, want %q and the way out", c.columns, err, c.want)
			}
		}
	})
}

// Where the key is not the primary one, its own index is used.
func TestOtherKey(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, []string{"CREATE TABLE t (id varchar(200), K int NOT NULL, old varchar(100), PRIMARY KEY (id(10)), UNIQUE `a``b` (k))",
			"INSERT INTO t " + hundred + " SELECT LEFT(SHA2(i, 256), 32), i, 'v' FROM s"}, []string{"k"}, nil)
		fill, token := f.start("w")
		if n := f.reads(fill.Walk.(*keyset).selectAll([]string{"10"}, []string{"17"})...); n > 9 {
			t.Errorf("%d entries read for 7 rows", n)
		}
		if chunks, _ := f.walk(fill, token, 10); chunks != 10 || f.outOfStep() != 0 {
			t.Errorf("%d chunks, %d rows out of step", chunks, f.outOfStep())
		}
	})
}

// What people see of a key is readable where it is text.
func TestKeyText(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, []string{"CREATE TABLE t (a varchar(20) CHARACTER SET latin1, b varchar(20) CHARACTER SET utf8mb4, c varbinary(20), d datetime(3), e bigint unsigned, f decimal(10,2), g double, PRIMARY KEY (a, b, c, d, e, f, g), old varchar(100))",
			`INSERT INTO t VALUES ('Müller', '0xyz', 'abc', '2024-02-03 04:05:06.789', 18446744073709551615, -1.50, 1e100, 'v')`}, strings.Split("abcdefg", ""), nil)
		fill, _ := f.start("w")
		if got, want := engine.KeyText(fill.Upper), "(Müller, 0x3078797A, 0x616263, 2024-02-03 04:05:06.789, 18446744073709551615, -1.50, 1e+100)"; got != want {
			t.Errorf("key %s, want %s", got, want)
		}
	})
}

// Every value is told from its neighbours by its text, and found again by it.
func TestKeysAreReadExactly(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newDatabase(t, d)
		plain := f.pool(func(*driver.Config) {}).db
		seed := uint64(time.Now().UnixNano())
		random := rand.New(rand.NewPCG(1, seed))
		text := func() any { return randomText(random) }
		for _, c := range []struct {
			typ  string
			only plan.Dialect
			make func() any
		}{
			{typ: "double", make: func() any {
				for {
					if x := math.Float64frombits(random.Uint64()); !math.IsNaN(x) && !math.IsInf(x, 0) {
						return x
					}
				}
			}},
			{typ: "float", make: func() any {
				for {
					if x := float64(math.Float32frombits(random.Uint32())); !math.IsNaN(x) && math.Abs(x) < 3.4e38 {
						return x
					}
				}
			}},
			{typ: "bigint unsigned", make: func() any { return random.Uint64() }},
			{typ: "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", make: text},
			{typ: "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", only: plan.DialectMySQL, make: text},
			{typ: "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci", only: plan.DialectMariaDB, make: text},
			{typ: "char(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", make: text},
			{typ: "varbinary(40)", make: func() any { return []byte(randomText(random)) }},
		} {
			if c.only != "" && c.only != d {
				continue
			}
			f.expand([]string{"CREATE TABLE t (k " + c.typ + " PRIMARY KEY, old varchar(100))"}, []string{"k"}, nil)
			for range 60 {
				if _, err := plain.Exec("INSERT IGNORE INTO t (k, old) VALUES (?, 'v')", c.make()); err != nil {
					t.Fatal(err)
				}
			}
			rows := ask[int64](f, "SELECT COUNT(*) FROM t")
			fill, _ := f.start("w")
			k := fill.Walk.(*keyset)
			var found int64
			var equal []string
			for from := []string(nil); ; found++ {
				r, err := f.Next(t.Context(), fill, from, 1)
				if err != nil {
					t.Fatal(err)
				}
				if r == nil {
					break
				}
				from = r.To
				equal = append(equal, "SELECT old FROM "+k.from()+" WHERE "+k.equal(r.To))
			}
			if found != rows {
				t.Errorf("%s: %d keys walked of %d (seed %d)", c.typ, found, rows, seed)
			}
			if n := f.reads(equal...); n != rows {
				t.Errorf("%s: %d entries read to find %d keys again (seed %d)", c.typ, n, rows, seed)
			}
		}
	})
}

// randomText has characters of every length, of both cases, spaces and controls.
func randomText(random *rand.Rand) string {
	alphabet := []rune("aAbBßéÉzZ0x \t\n\x00\x1a'\"\\`%_-ıİſ好🐘\u0301\u00ad\ufffd")
	out := make([]rune, random.IntN(12))
	for i := range out {
		out[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(out)
}

// The pieces of a range are disjoint and together the range, whatever the key and its order.
func TestPieces(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newDatabase(t, d)
		for _, down := range [][3]bool{{}, {false, true, false}, {true, false, true}, {true, true, true}} {
			var parts []string
			for i, c := range []string{"a", "b", "c"} {
				if down[i] {
					c += " DESC"
				}
				parts = append(parts, c)
			}
			f.expand([]string{"CREATE TABLE t (a int, b varchar(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, c int, old varchar(100), PRIMARY KEY (" + strings.Join(parts, ", ") + "))",
				"INSERT INTO t " + hundred + " SELECT x.i, CHAR(119 + y.i USING utf8mb4), z.i, 'v' FROM s x, s y, s z WHERE x.i <= 4 AND y.i <= 3 AND z.i <= 4"}, []string{"a", "b", "c"}, nil)
			fill, _ := f.start("w")
			k := fill.Walk.(*keyset)
			keys := [][]string{{"0", "q", "7"}, {"1", "x", "1"}, {"1", "x", "3"}, {"1", "y", "1"}, {"2", "x", "4"}, {"2", "xx", "4"}, {"3", "Y", "2"}, {"4", "z", "4"}, {"9", "a", "1"}}
			before := func(x, y []string) bool { // in the index
				for i := range x {
					if c := strings.Compare(strings.ToLower(x[i]), strings.ToLower(y[i])); c != 0 {
						return (c < 0) != down[i]
					}
				}
				return false
			}
			slices.SortFunc(keys, func(x, y []string) int {
				if before(x, y) {
					return -1
				}
				return 1
			})
			var rows [][]string
			for _, x := range f.column("SELECT CONCAT(a, ' ', b, ' ', c) FROM t") {
				rows = append(rows, strings.Fields(x))
			}
			for i, from := range append([][]string{nil}, keys...) {
				for _, to := range keys[i:] {
					var want, got []string
					for _, x := range rows {
						if (from == nil || before(from, x)) && !before(to, x) {
							want = append(want, strings.Join(x, " "))
						}
					}
					for _, piece := range k.pieces(from, to) {
						got = append(got, f.column("SELECT CONCAT(a, ' ', b, ' ', c) FROM "+k.from()+" WHERE "+piece)...)
					}
					slices.Sort(want)
					slices.Sort(got)
					if !slices.Equal(got, want) {
						t.Errorf("%v: from %v to %v:\ngot  %s\nwant %s", parts, from, to, got, want)
					}
				}
			}
		}
	})
}

// column reads one column of text.
func (f *filling) column(query string) []string {
	f.t.Helper()
	out, err := list(f.t.Context(), f.db, query)
	if err != nil {
		f.t.Fatalf("%v\n%s", err, query)
	}
	return out
}

// A chunk reads its range also where it is most of the table, or another index seems
// to serve as well: the locks that come with it are those of its own rows.
func TestChunkReadsNothingElse(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, []string{"CREATE TABLE t (tenant int, id int, old varchar(100), a int NOT NULL DEFAULT 1, PRIMARY KEY (tenant, id), KEY tenant (tenant), KEY (a, tenant))",
			"INSERT INTO t (tenant, id, old) " + hundred + " SELECT 1, i, 'v' FROM s"}, []string{"tenant", "id"}, nil)
		f.exec("ANALYZE TABLE t")
		fill, _ := f.start("w")
		k := fill.Walk.(*keyset)
		for _, r := range [][2]int64{{0, 90}, {5, 95}, {50, 60}} {
			from, to := []string{"1", fmt.Sprint(r[0])}, []string{"1", fmt.Sprint(r[1])}
			for _, piece := range k.pieces(from, to) {
				if n := f.reads(k.updateSQL(f.link, piece)); n > r[1]-r[0]+2 {
					t.Errorf("%d entries read for the %d rows behind %d", n, r[1]-r[0], r[0])
				}
			}
			for _, piece := range k.pieces(from, fill.Upper) {
				if n := f.reads(k.nthSQL(piece, 5, from, fill.Upper)); n > 7 {
					t.Errorf("%d entries read to cut 5 rows behind %d", n, r[0])
				}
			}
		}
	})
}

// A chunk of a key of several columns reads its own part of the index, also where
// the first column has two values, so that half the table is alike in it, and whatever
// the statistics say.
func TestChunkReadsItsPartOfTheIndex(t *testing.T) {
	families(t, func(t *testing.T, d plan.Dialect) {
		f := newFilling(t, d, []string{"CREATE TABLE t (tenant int, kind int, id int, old varchar(100), filler char(200) DEFAULT 'x', PRIMARY KEY (tenant, kind, id), KEY (kind), KEY (old))",
			"INSERT INTO t (tenant, kind, id, old) " + hundred + " SELECT (a.i - 1) DIV 2, 1, a.i * 10000 + b.i * 100 + c.i, 'v' FROM s a, s b, s c WHERE a.i <= 4 AND c.i <= 50"}, []string{"tenant", "kind", "id"}, nil)
		f.exec("ANALYZE TABLE t")
		fill, _ := f.start("w")
		k := fill.Walk.(*keyset)
		for name, r := range map[string]struct {
			from, to []string
			rows     int64
		}{
			"first chunk":   {nil, []string{"0", "1", "10310"}, 110},
			"in a tenant":   {[]string{"0", "1", "15003"}, []string{"0", "1", "15203"}, 100},
			"over a border": {[]string{"0", "1", "29950"}, []string{"1", "1", "30150"}, 150},
		} {
			pieces := k.pieces(r.from, r.to)
			bound := r.rows + 2*int64(len(pieces))
			if n := f.reads(k.selectAll(r.from, r.to)...); n > bound {
				t.Errorf("%s: %d entries read for %d rows", name, n, r.rows)
			}
			var updates []string
			for _, piece := range pieces {
				updates = append(updates, k.updateSQL(f.link, piece))
			}
			if n := f.reads(updates...); n > bound {
				t.Errorf("%s: the chunk reads %d entries for %d rows", name, n, r.rows)
			}
			for _, piece := range k.pieces(r.from, fill.Upper) {
				if n := f.reads(k.nthSQL(piece, r.rows, r.from, fill.Upper)); n > r.rows+2 {
					t.Errorf("%s: cutting it reads %d entries for %d rows", name, n, r.rows)
				}
				if n := f.reads(k.tailSQL(piece, r.rows, r.from, fill.Upper)); n > 6*r.rows { // mostly of temporary tables
					t.Errorf("%s: cutting the last of it reads %d entries for %d rows", name, n, r.rows)
				}
			}
		}
		if n := f.reads(k.lastSQL()); n > 2 {
			t.Errorf("%d entries read for the last key", n)
		}
	})
}
