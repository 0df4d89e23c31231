package mysql

import (
	"fmt"
	"strings"
)

// What SHOW CREATE TABLE prints is the one place that has every default, index and key
// as DDL can repeat it: information_schema cuts binary defaults, does not quote, and
// leaves options out. It is the server's own text, always of the same form: names in
// backticks, one definition after the other between the outer parentheses.

// created is a CREATE TABLE statement, taken apart.
type created struct {
	columns []createdColumn
	keys    []createdKey
	others  []createdKey // constraints: foreign keys and checks
	tail    string       // options and partitions
}

// createdColumn is one column, in parts.
type createdColumn struct {
	name                 string
	typ                  string // with what of its character set the server finds worth saying
	def, onUpdate, check string
	generated            string   // the expression
	versioning           bool     // a row's start or end of system versioning
	options              []string // what is not known here
}

// createdKey is an index or a constraint. name is empty for the primary key.
type createdKey struct {
	kind, name string
	text       string // what follows the name
}

// parseCreate takes the text of SHOW CREATE TABLE apart.
func parseCreate(text string) (*created, error) {
	text = unwrap(text)
	begin := -1
	scan(text, func(i int, token string, depth int) bool {
		if token == "(" {
			begin = i
		}
		return begin < 0
	})
	if begin < 0 {
		return nil, fmt.Errorf("read what SHOW CREATE TABLE gave: no column list in it")
	}
	list, rest, ok := parens(text[begin:])
	if !ok {
		return nil, fmt.Errorf("read what SHOW CREATE TABLE gave: it ends within the column list")
	}
	c := &created{tail: strings.TrimSpace(rest)}
	for _, item := range splitTop(list) {
		c.add(strings.TrimSpace(item))
	}
	return c, nil
}

func (c *created) add(item string) {
	if strings.HasPrefix(item, "`") {
		name, rest := leadingName(item)
		c.columns = append(c.columns, readColumn(name, rest))
		return
	}
	words, name, rest := "", "", item
	for rest != "" && rest[0] != '`' && rest[0] != '(' {
		word, after := leadingWord(rest)
		words, rest = strings.TrimSpace(words+" "+word), after
	}
	if strings.HasPrefix(rest, "`") {
		name, rest = leadingName(rest)
	}
	key := createdKey{kind: words, name: name, text: rest}
	if words == "CONSTRAINT" {
		key.kind, _ = leadingWord(rest)
		c.others = append(c.others, key)
		return
	}
	c.keys = append(c.keys, key)
}

// readColumn reads the options behind a column's type.
func readColumn(name, text string) createdColumn {
	c := createdColumn{name: name}
	_, rest := leadingWord(text) // the type
	if strings.HasPrefix(rest, "(") {
		_, rest, _ = parens(rest)
	}
	ofType := func() { c.typ = strings.TrimSpace(strings.TrimSuffix(text, rest)) }
	for ofType(); rest != ""; {
		var word string
		word, rest = leadingWord(rest)
		switch upper := strings.ToUpper(word); upper {
		case "UNSIGNED", "ZEROFILL":
			ofType()
		case "NOT", "NULL", "AUTO_INCREMENT", "INVISIBLE", "ALWAYS", "VIRTUAL", "STORED", "PERSISTENT":
		case "CHARACTER":
			_, rest = leadingWord(rest) // SET
			_, rest = leadingTerm(rest)
			ofType()
		case "COLLATE":
			_, rest = leadingTerm(rest)
			ofType()
		case "COMMENT":
			_, rest = leadingTerm(rest)
		case "DEFAULT":
			c.def, rest = leadingTerm(rest)
		case "ON":
			_, rest = leadingWord(rest) // UPDATE
			c.onUpdate, rest = leadingTerm(rest)
		case "CHECK":
			c.check, rest = leadingTerm(rest)
		case "GENERATED":
			if next, after := leadingWord(rest); strings.EqualFold(next, "ALWAYS") {
				rest = after
			}
		case "AS":
			if strings.HasPrefix(rest, "(") {
				c.generated, rest = leadingTerm(rest)
				continue
			}
			fallthrough // AS ROW START
		case "ROW", "START", "END":
			c.versioning = true
		default:
			c.options = append(c.options, word)
			if word == "" { // something that is no word: taken as it is
				c.options[len(c.options)-1], rest = rest, ""
			}
		}
	}
	if strings.EqualFold(c.def, "NULL") {
		c.def = ""
	}
	return c
}

// keyPart is one column or expression of an index.
type keyPart struct {
	column     string // empty: an expression
	whole      bool   // no prefix
	expression string
}

// parts reads an index's list, which its text begins with.
func (k createdKey) parts() []keyPart {
	list, _, ok := parens(k.text)
	if !ok {
		return nil
	}
	var out []keyPart
	for _, item := range splitTop(list) {
		item = strings.TrimSpace(item)
		if !strings.HasPrefix(item, "`") {
			out = append(out, keyPart{expression: item})
			continue
		}
		name, rest := leadingName(item)
		word, _ := leadingWord(rest)
		out = append(out, keyPart{column: name, whole: rest == "" || strings.EqualFold(word, "DESC") || strings.EqualFold(word, "ASC")})
	}
	return out
}

// unwrap takes the content of version comments (/*!80023 INVISIBLE */) as what it is,
// outside quotes.
func unwrap(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		rest := text[i:]
		switch c := rest[0]; {
		case c == '\'' || c == '"' || c == '`':
			n := quotedLen(rest)
			b.WriteString(rest[:n])
			i += n
		case strings.HasPrefix(rest, "/*!") || strings.HasPrefix(rest, "/*M!"):
			i += strings.IndexByte(rest, '!') + 1
			for i < len(text) && text[i] >= '0' && text[i] <= '9' {
				i++
			}
		case strings.HasPrefix(rest, "*/"):
			i += 2
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

// scan calls fn with every quoted token and every other byte, and with how many
// parentheses are open before it, until fn says false.
func scan(s string, fn func(i int, token string, depth int) bool) {
	depth := 0
	for i := 0; i < len(s); {
		n := 1
		if c := s[i]; c == '\'' || c == '"' || c == '`' {
			n = quotedLen(s[i:])
		}
		if !fn(i, s[i:i+n], depth) {
			return
		}
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		i += n
	}
}

// parens gives what stands between the parenthesis that s begins with and its
// counterpart, and what follows that.
func parens(s string) (inside, rest string, ok bool) {
	if !strings.HasPrefix(s, "(") {
		return "", s, false
	}
	scan(s, func(i int, token string, depth int) bool {
		if token == ")" && depth == 1 {
			inside, rest, ok = s[1:i], strings.TrimLeft(s[i+1:], " \n"), true
		}
		return !ok
	})
	return inside, rest, ok
}

// splitTop splits at commas outside quotes and parentheses.
func splitTop(s string) []string {
	var out []string
	begin := 0
	scan(s, func(i int, token string, depth int) bool {
		if token == "," && depth == 0 {
			out, begin = append(out, s[begin:i]), i+1
		}
		return true
	})
	return append(out, s[begin:])
}

// leadingName takes a name in backticks off.
func leadingName(s string) (name, rest string) {
	n := quotedLen(s)
	return strings.ReplaceAll(s[1:max(1, n-1)], "``", "`"), strings.TrimLeft(s[n:], " \n")
}

// leadingWord takes a word off; it is empty where s begins with something else.
func leadingWord(s string) (word, rest string) {
	n := 0
	for n < len(s) && wordByte(s[n]) {
		n++
	}
	return s[:n], strings.TrimLeft(s[n:], " \n")
}

// leadingTerm takes off what ends at a blank outside quotes and parentheses: a literal,
// a call, an expression in parentheses.
func leadingTerm(s string) (term, rest string) {
	end := len(s)
	scan(s, func(i int, token string, depth int) bool {
		if depth == 0 && (token == " " || token == "\n") {
			end = i
		}
		return end == len(s)
	})
	return s[:end], strings.TrimLeft(s[end:], " \n")
}

// namesIn lists the names in backticks of an expression, which is how the server prints
// columns.
func namesIn(expr string) []string {
	var out []string
	scan(expr, func(_ int, token string, _ int) bool {
		if token[0] == '`' && len(token) > 1 {
			name, _ := leadingName(token)
			out = append(out, name)
		}
		return true
	})
	return out
}

// renamed gives an expression or list of the server's with another name in the place of
// a column.
func renamed(text, from, to string) string {
	var b strings.Builder
	scan(text, func(_ int, token string, _ int) bool {
		if token[0] == '`' && strings.EqualFold(token, ident(from)) {
			token = ident(to)
		}
		b.WriteString(token)
		return true
	})
	return b.String()
}
