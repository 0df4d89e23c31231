package myquery

import (
	"strings"

	"github.com/phasedb/phased/internal/sqltext"
)

// cursor walks along the tokens of a statement.
type cursor struct {
	sql  string
	toks []sqltext.Token
	at   int
}

func (c *cursor) done() bool { return c.at >= len(c.toks) }

// text is the text of a token; empty behind the end.
func (c *cursor) text(i int) string {
	if i < 0 || i >= len(c.toks) {
		return ""
	}
	return c.sql[c.toks[i].Start:c.toks[i].End]
}

// upper is a keyword in capitals, or a symbol; empty for what is quoted.
func (c *cursor) upper(i int) string {
	if i < 0 || i >= len(c.toks) || c.toks[i].Kind != sqltext.Word && c.toks[i].Kind != sqltext.Symbol {
		return ""
	}
	return strings.ToUpper(c.text(i))
}

// is reports whether words and symbols follow.
func (c *cursor) is(words ...string) bool {
	for i, w := range words {
		if c.upper(c.at+i) != w {
			return false
		}
	}
	return true
}

// take consumes words and symbols, if they follow.
func (c *cursor) take(words ...string) bool {
	if !c.is(words...) {
		return false
	}
	c.at += len(words)
	return true
}

// takeAny consumes one of some words, and returns it.
func (c *cursor) takeAny(words ...string) string {
	for _, w := range words {
		if c.take(w) {
			return w
		}
	}
	return ""
}

// name consumes a name.
func (c *cursor) name() (string, bool) {
	if c.done() {
		return "", false
	}
	name, ok := nameOf(c.sql, c.toks[c.at])
	if ok {
		c.at++
	}
	return name, ok
}

// nameOf is what a token names.
func nameOf(sql string, t sqltext.Token) (string, bool) {
	text := sql[t.Start:t.End]
	switch t.Kind {
	case sqltext.Word:
		return text, true
	case sqltext.Name:
		return strings.ReplaceAll(text[1:len(text)-1], "``", "`"), true
	}
	return "", false
}

// relation consumes a name that may be qualified; nil: there is none.
func (c *cursor) relation() *Relation {
	first, ok := c.name()
	if !ok {
		return nil
	}
	if c.is(".") {
		c.at++
		if second, ok := c.name(); ok {
			return &Relation{Schema: first, Name: second}
		}
		return nil
	}
	return &Relation{Name: first}
}

// group consumes what stands in parentheses, with them, and returns what is within.
func (c *cursor) group() (inner *cursor, ok bool) {
	if !c.is("(") {
		return nil, false
	}
	start := c.at
	for depth := 0; !c.done(); {
		switch c.upper(c.at) {
		case "(":
			depth++
		case ")":
			depth--
		}
		c.at++
		if depth == 0 {
			return &cursor{sql: c.sql, toks: c.toks[start+1 : c.at-1]}, true
		}
	}
	c.at = start
	return nil, false
}

// parts cuts the rest at the commas that stand in no parentheses.
func (c *cursor) parts() []*cursor {
	var out []*cursor
	start, depth := c.at, 0
	for i := c.at; i < len(c.toks); i++ {
		switch c.upper(i) {
		case "(":
			depth++
		case ")":
			depth--
		case ",":
			if depth == 0 {
				out = append(out, &cursor{sql: c.sql, toks: c.toks[start:i]})
				start = i + 1
			}
		}
	}
	return append(out, &cursor{sql: c.sql, toks: c.toks[start:]})
}

// slice is the text of tokens without comments, on one line where no quote holds more.
// A string in double quotes gets single ones: under ANSI_QUOTES it would be a name.
func (c *cursor) slice(from, to int) string {
	var b strings.Builder
	for i := from; i < to && i < len(c.toks); i++ {
		if i > from && c.toks[i].Start > c.toks[i-1].End {
			b.WriteByte(' ')
		}
		text := c.text(i)
		if c.toks[i].Kind == sqltext.String && text[0] == '"' {
			text = singleQuoted(text)
		}
		b.WriteString(text)
	}
	return b.String()
}

func singleQuoted(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for i := 1; i < len(s)-1; i++ {
		switch {
		case s[i] == '\\':
			b.WriteByte(s[i])
			i++
		case s[i] == '"':
			i++ // doubled
		case s[i] == '\'':
			b.WriteByte('\'')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('\'')
	return b.String()
}

// quote writes a name for the server.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
