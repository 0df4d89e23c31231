package postgres

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// images are, for each type, values that are easily taken for each other.
var images = []struct {
	typ    string
	values []string
	equal  bool // what the catalog says of the type's =
}{
	{"boolean", []string{"true", "false"}, true},
	{"bytea", []string{`'\x'`, `'\x00'`, `'\x0000'`, `'\xff'`}, true},
	{`"char"`, []string{"''", "'a'", "'A'"}, true},
	{"name", []string{"''", "'a'", "'A'", "'a '"}, true},
	{"bigint", []string{"0", "-1", "9223372036854775807"}, true},
	{"smallint", []string{"0", "-1", "1"}, true},
	{"integer", []string{"0", "-1", "1"}, true},
	{"text", []string{"''", "' '", "'a'", "'A'", "'a '", "'é'", "U&'e\\0301'", "repeat('a', 100000)", "repeat('a', 99999) || 'b'", "repeat('a', 3000)"}, true},
	{"character varying(20)", []string{"''", "' '", "'a'", "'A'", "'a '"}, true},
	{"oid", []string{"0", "1", "4294967295"}, true},
	{"money", []string{"0", "0.01", "-0.01"}, true},
	{"date", []string{"'2020-01-01'", "'infinity'", "'-infinity'", "'0001-01-01 BC'"}, true},
	{"time", []string{"'00:00'", "'24:00'", "'12:00:00.000001'"}, true},
	{"timestamp", []string{"'2020-01-01'", "'infinity'", "'2020-01-01 00:00:00.000001'"}, true},
	{"timestamp(0)", []string{"'2020-01-01'", "'2020-01-01 00:00:00.4'"}, true},
	{"timestamptz", []string{"'2020-01-01 00:00+00'", "'2020-01-01 01:00+01'", "'infinity'"}, true},
	{"timetz", []string{"'00:00+00'", "'01:00+01'", "'24:00+00'", "'23:00-01'"}, true},
	{"uuid", []string{"'11111111-1111-1111-1111-111111111111'", "'11111111111111111111111111111112'"}, true},
	{"pg_lsn", []string{"'0/0'", "'0/1'"}, true},
	{"mood", []string{"'sad'", "'Sad'"}, true},
	{"words", []string{"'a'", "'A'"}, true}, // a domain over text
	{"numeric", []string{"0", "0.0", "1", "1.0", "1.00", "'NaN'"}, false},
	{"numeric(10,2)", []string{"0", "1", "1.00"}, false},
	{"real", []string{"0", "'-0'", "'NaN'", "'Infinity'", "1"}, false},
	{"double precision", []string{"0", "'-0'", "'NaN'", "1", "0.1", "0.30000000000000004"}, false},
	{"interval", []string{"'24 hours'", "'1 day'", "'30 days'", "'1 month'", "'0'"}, false},
	{"character(5)", []string{"''", "'a'", "'a '", "'A'"}, false},
	{"json", []string{`'{"a":1}'`, `'{"a": 1}'`, `'{"a":1.0}'`, `'{"a":1,"a":1}'`, "'null'"}, false},
	{"jsonb", []string{`'{"a":1}'`, `'{"a":1.0}'`, `'{"a":[]}'`, "'null'"}, false},
	{"citext", []string{"'bob'", "'Bob'", "''"}, false},
	{"integer[]", []string{"'{}'", "'{1}'", "'{{1}}'", "'[2:2]={1}'", "'{NULL}'"}, false},
	{"text[]", []string{"'{}'", "'{a}'", "'{A}'"}, false},
	{"numeric[]", []string{"'{1}'", "'{1.0}'"}, false},
	{"inet", []string{"'10.0.0.1'", "'10.0.0.1/32'", "'10.0.0.0/8'"}, false},
	{"int4range", []string{"'[1,2)'", "'[1,1]'", "'empty'"}, false},
	{"numrange", []string{"'[1,2)'", "'[1.0,2)'"}, false},
	{"bit(3)", []string{"B'101'", "B'100'"}, false},
	{"xml", []string{"'<a/>'", "'<a></a>'"}, false},
	{"tsvector", []string{"'a:1'", "'a'"}, false},
	{"pair", []string{"ROW(1, 1.0)::pair", "ROW(1, 1.00)::pair", "ROW(1, NULL)::pair"}, false},
	{"point", []string{"'(0,0)'", "'(-0,0)'", "'(0.0000000001,0)'"}, false},
	{`text COLLATE "und_ci"`, []string{"'a'", "'A'", "''"}, false},
	{`character varying COLLATE "und_ci"`, []string{"'a'", "'A'"}, false},
	{`text COLLATE "C"`, []string{"'a'", "'A'"}, true},
}

const imageTypes = `CREATE TYPE mood AS ENUM ('sad', 'Sad'); CREATE DOMAIN words AS text; CREATE TYPE pair AS (a int, b numeric);
	CREATE COLLATION und_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);`

// newImages has the types, and the columns for them; it leaves out what the server was built without.
func newImages(t *testing.T) (s *synced, columns map[int]string) {
	t.Helper()
	s = newSynced(t, imageTypes)
	without := map[string]bool{
		"xml":    s.text("SELECT count(*) FROM pg_config WHERE name = 'CONFIGURE' AND setting LIKE '%with-libxml%'") == "0",
		"citext": s.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'") == "0",
	}
	if !without["citext"] {
		s.exec("CREATE EXTENSION citext")
	}
	columns = map[int]string{}
	for i, x := range images {
		if !without[x.typ] {
			columns[i] = fmt.Sprintf("c%d %s", i, x.typ)
		}
	}
	return s, columns
}

// I2: = stands for identity only where it is identity. For each such type and any two
// values, IS NOT DISTINCT FROM says what record_image_eq says; and so does what the
// sync is made of.
func TestEqualityIsIdentityWhereTheCatalogSaysSo(t *testing.T) {
	t.Parallel()
	s, columns := newImages(t)
	s.exec("CREATE TABLE t (" + strings.Join(slices.Collect(maps.Values(columns)), ", ") + ")")
	oid := uint32(0)
	if err := s.db.QueryRowContext(t.Context(), "SELECT 't'::regclass::oid").Scan(&oid); err != nil {
		t.Fatal(err)
	}
	cat, err := table(t.Context(), s.db, oid)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range images {
		c := cat.Column(fmt.Sprintf("c%d", i))
		if c == nil {
			continue
		}
		if c.ImageEqual != x.equal {
			t.Errorf("%s: image_equal is %v, want %v", x.typ, c.ImageEqual, x.equal)
		}
		l := linkOf(c)
		values := append([]string{"NULL"}, x.values...)
		var pairs []string
		for _, a := range values {
			for _, b := range values {
				pairs = append(pairs, fmt.Sprintf("((%s)::%s, (%s)::%s)", a, c.Type, b, c.Type))
			}
		}
		collate := ""
		if c.Collation != "" {
			collate = " COLLATE " + c.Collation
		}
		q := fmt.Sprintf("SELECT a::text, b::text FROM (SELECT a%[1]s AS a, b%[1]s AS b FROM (VALUES %[2]s) v(a, b)) v WHERE record_image_ne(ROW(a), ROW(b)) <> coalesce(%[3]s, false)",
			collate, strings.Join(pairs, ", "), outOfStep(l, "v"))
		if got := s.text(q); got != "" {
			t.Errorf("%s: the sync does not compare these by their images: %.300s", x.typ, got)
		}
	}
}

func linkOf(c *schema.Column) (l plan.Link) {
	l.Old, l.New, l.Type, l.OldType, l.ImageEqual = "a", "b", c.Type, c.Type, c.ImageEqual
	return l
}

// Every type is kept in step to the last bit, both ways, and healed.
func TestSyncKeepsImages(t *testing.T) {
	t.Parallel()
	s, columns := newImages(t)
	random := rand.New(rand.NewPCG(1, 2))
	for i, x := range images {
		if columns[i] == "" {
			continue
		}
		name := fmt.Sprintf("t%d", i)
		s.exec(fmt.Sprintf("CREATE TABLE %s (id int PRIMARY KEY, o %s, n int)", name, x.typ))
		s.exec(fmt.Sprintf("INSERT INTO %s SELECT %d, %s, 0", name, 0, x.values[0]))
		l := plan.Link{ID: name, Schema: "public", Table: name, Old: "o", New: "w", Type: x.typ, OldType: x.typ, ImageEqual: x.equal}
		l.Type, _, _ = strings.Cut(x.typ, " COLLATE")
		if slices.Contains([]string{"mood", "words", "pair", "citext"}, l.Type) { // as the catalog gives it
			l.Type = "public." + l.Type
		}
		s.exec(fmt.Sprintf("ALTER TABLE %s ADD COLUMN w %s;", name, x.typ) + strings.Join(s.Compose("public", name, []plan.Link{l}), ";"))
		values := append([]string{"NULL"}, x.values...)
		check := func(what, value string) {
			t.Helper()
			bare, _, _ := strings.Cut(x.typ, " COLLATE")
			if got := s.text(fmt.Sprintf("SELECT count(*) FROM %s WHERE record_image_ne(ROW(o), ROW(w)) OR record_image_ne(ROW(o), ROW((%s)::%s))", name, value, bare)); got != "0" {
				t.Errorf("%s, %s of %s: the row holds %.200s", x.typ, what, value, s.text("SELECT o::text, w::text FROM "+name))
			}
		}
		s.exec("UPDATE " + name + " SET n = 1")
		check("healing", x.values[0])
		for range 3 {
			random.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
			for j, v := range values {
				column := []string{"o", "w"}[(j+random.IntN(2))%2]
				s.exec(fmt.Sprintf("UPDATE %s SET %s = %s", name, column, v))
				check("an update of "+column, v)
			}
		}
		v := x.values[len(x.values)-1]
		for _, column := range []string{"o", "w"} {
			s.exec(fmt.Sprintf("DELETE FROM %s; INSERT INTO %s (id, %s) VALUES (1, %s)", name, name, column, v))
			check("an insert of "+column, v)
		}
	}
}
