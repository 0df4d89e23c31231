package plan

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/phasedb/phased/internal/sqltext"
)

// MaxNameBytes is the longest name PostgreSQL keeps; it cuts longer ones
// without an error.
const MaxNameBytes = 63

// MaxNameChars is the longest name MySQL and MariaDB take, in characters.
const MaxNameChars = 64

// lexis is what a dialect's directives have in common with its SQL: comments, quotes
// and names.
type lexis struct {
	scan      func(text string) *sqltext.Text
	quote     string // of a name
	nameStart func(byte) bool
	namePart  func(byte) bool
	fold      func(name string) string // what the server makes of a name without quotes
	tooLong   func(name string) (problem string)
}

func lexisOf(d Dialect) *lexis {
	switch d {
	case DialectMySQL, DialectMariaDB:
		return &mysqlLexis
	}
	return &postgresLexis
}

var postgresLexis = lexis{
	scan:      sqltext.Postgres,
	quote:     `"`,
	nameStart: sqltext.PostgresNameStart,
	namePart:  sqltext.PostgresNamePart,
	fold:      sqltext.PostgresFold,
	tooLong: func(name string) string {
		if len(name) <= MaxNameBytes {
			return ""
		}
		return fmt.Sprintf("the name %q has %d bytes, PostgreSQL keeps %d", name, len(name), MaxNameBytes)
	},
}

var mysqlLexis = lexis{
	scan:      sqltext.MySQL,
	quote:     "`",
	nameStart: sqltext.MySQLNamePart, // a digit, too
	namePart:  sqltext.MySQLNamePart,
	fold:      strings.Clone,
	tooLong: func(name string) string {
		if n := utf8.RuneCountInString(name); n > MaxNameChars {
			return fmt.Sprintf("the name %q has %d characters, the server takes %d", name, n, MaxNameChars)
		}
		return ""
	},
}

// checkExpression says what keeps an expression from standing within other SQL.
// Whether it is one, the parser and the server tell.
func (x *lexis) checkExpression(expr string) (problem string) {
	text := x.scan(expr)
	switch {
	case len(text.Comments) > 0 || text.Blocks > 0:
		return "the expression holds a comment"
	case text.Problem != nil:
		return text.Problem.What
	case text.Open != "":
		return text.Open + " in the expression does not end"
	}
	return checkBrackets(text.Symbols)
}

func checkBrackets(symbols string) (problem string) {
	closes := map[byte]byte{')': '(', ']': '['}
	var open []byte
	for i := range len(symbols) {
		switch c := symbols[i]; c {
		case '(', '[':
			open = append(open, c)
		case ')', ']':
			if len(open) == 0 || open[len(open)-1] != closes[c] {
				return fmt.Sprintf("%c in the expression closes nothing", c)
			}
			open = open[:len(open)-1]
		case ';':
			return "the expression holds a semicolon"
		}
	}
	if len(open) > 0 {
		return fmt.Sprintf("%c in the expression is not closed", open[len(open)-1])
	}
	return ""
}
