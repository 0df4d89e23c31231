package myquery

import (
	"slices"
	"strings"

	"github.com/phasedb/phased/internal/sqltext"
)

// What MySQL or MariaDB reads and the grammar does not is covered by something that
// it knows, as long as what it covers, so that places stay the same. Whether the
// server at hand knows a type or a character set is for the server to say.

// Types that one of the servers has, with the same attributes as JSON.
var otherTypes = []string{"UUID", "INET4", "INET6", "POINT", "GEOMETRY", "LINESTRING", "POLYGON",
	"MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION", "GEOMCOLLECTION"}

// Character sets that servers know and the grammar does not.
var otherCharsets = []string{"ARMSCII8", "BIG5", "CP1250", "CP1251", "CP1256", "CP1257", "CP850", "CP852", "CP866", "CP932", "DEC8", "EUCJPMS", "EUCKR",
	"GB2312", "GEOSTD8", "GREEK", "HEBREW", "HP8", "KEYBCS2", "KOI8R", "KOI8U", "LATIN2", "LATIN5", "LATIN7", "MACCE", "MACROMAN", "SJIS", "SWE7",
	"TIS620", "UCS2", "UJIS", "UTF16", "UTF16LE", "UTF32", "UTF8MB3"}

// cover is the text of tokens with stand-ins in their places, without comments, and
// the expressions that it hides, which are to be read by themselves.
func cover(sql string, toks []sqltext.Token) (text string, hidden []*cursor) {
	if len(toks) == 0 {
		return "", nil
	}
	start, end := toks[0].Start, toks[len(toks)-1].End
	b := []byte(sql[start:end])
	put := func(from, to int, with string) {
		for i := from; i < to; i++ {
			switch {
			case i-from < len(with):
				b[i-start] = with[i-from]
			case b[i-start] != '\n':
				b[i-start] = ' '
			}
		}
	}
	for i := 1; i < len(toks); i++ {
		put(toks[i-1].End, toks[i].Start, "")
	}
	c := &cursor{sql: sql, toks: toks}
	for i := range toks {
		t := toks[i]
		switch word := c.upper(i); {
		case word == "COLLATE":
			j := i + 1
			if c.upper(j) == "=" {
				j++
			}
			if j < len(toks) && toks[j].Kind != sqltext.Symbol {
				put(toks[j].Start, toks[j].End, "binary")
			}
		case slices.Contains(otherCharsets, word) && namesCharset(c, i):
			put(t.Start, t.End, "gbk")
		case slices.Contains(otherTypes, word) && namesType(c, i):
			put(t.Start, t.End, "JSON")
		case word == "DEFAULT" && c.upper(i+1) == "(":
			at := *c
			at.at = i + 1
			if inner, ok := at.group(); ok && len(inner.toks) > 1 {
				put(inner.toks[0].Start, inner.toks[len(inner.toks)-1].End, "0")
				hidden = append(hidden, inner)
			}
		case word == "NOCOPY" && follows(c, i, "ALGORITHM"):
			put(t.Start, t.End, "COPY")
		case word == "SPATIAL" && (c.upper(i-1) == "ADD" || c.upper(i-1) == "," || c.upper(i-1) == "("):
			if c.upper(i+1) == "INDEX" || c.upper(i+1) == "KEY" {
				put(t.Start, t.End, "")
			} else {
				put(t.Start, t.End, "INDEX")
			}
		case word == "TABLES" && i == 1 && c.upper(0) == "RENAME":
			put(t.Start, t.End, "TABLE")
		case word == "ONLINE" && c.upper(i-1) == "ALTER" && i == 1:
			put(t.Start, t.End, "")
		}
	}
	return string(b), hidden
}

// follows reports whether a token stands behind a word, and perhaps a =.
func follows(c *cursor, i int, word string) bool {
	return c.upper(i-1) == word || c.upper(i-1) == "=" && c.upper(i-2) == word
}

func namesCharset(c *cursor, i int) bool {
	if c.upper(i-1) == "=" {
		i--
	}
	return c.upper(i-1) == "CHARSET" || c.upper(i-1) == "USING" || c.upper(i-1) == "SET" && strings.HasPrefix(c.upper(i-2), "CHAR")
}

// namesType reports whether a token stands where a column's type does: behind its name,
// which begins a definition.
func namesType(c *cursor, i int) bool {
	if i < 2 || c.toks[i-1].Kind != sqltext.Word && c.toks[i-1].Kind != sqltext.Name {
		return false
	}
	switch c.upper(i - 1) {
	case "ADD", "COLUMN", "KEY", "INDEX", "UNIQUE", "FULLTEXT", "SPATIAL", "CONSTRAINT", "PARTITION", "EXISTS":
		return false
	}
	switch c.upper(i - 2) {
	case "(", ",", "ADD", "COLUMN", "EXISTS":
		return true
	}
	return false
}
