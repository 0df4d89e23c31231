package sqltext

import "strings"

// Postgres reads PostgreSQL's SQL. It follows scan.l of the server with
// standard_conforming_strings on, which is the default since 9.1.
func Postgres(text string) *Text {
	l := postgresLexer{text: text, line: 1}
	l.scan()
	l.found.Symbols = string(l.symbols)
	return &l.found
}

type postgresLexer struct {
	text string
	at   int
	line int

	found   Text
	symbols []byte
	escapes continuation
}

// continuation says whether a quote goes on with the E'…' before it: so it is
// where only white space and line comments lie between, and a new line.
type continuation int

const (
	continuesNot continuation = iota
	continuesAfterNewline
	continues
)

func (l *postgresLexer) scan() {
	for l.at < len(l.text) {
		rest := l.text[l.at:]
		switch c := rest[0]; {
		case strings.HasPrefix(rest, "--"):
			l.lineComment() // a string may go on behind it
			continue
		case strings.HasPrefix(rest, "/*"):
			l.found.Blocks++
			l.skip(l.at+blockEnd(rest), "a block comment")
		case c == '\'':
			escapes := l.escapes == continues
			l.skip(QuotedEnd(l.text, l.at, escapes), "a string")
			l.escapes = continuesNot
			if escapes {
				l.escapes = continuesAfterNewline
			}
			continue
		case c == '"':
			l.skip(QuotedEnd(l.text, l.at, false), "a quoted name")
		case c == '$':
			l.dollar()
		case PostgresNameStart(c):
			end := l.at + 1
			for end < len(l.text) && PostgresNamePart(l.text[end]) {
				end++
			}
			escapes := end == l.at+1 && (c == 'e' || c == 'E') && end < len(l.text) && l.text[end] == '\''
			l.at = end
			if escapes {
				l.skip(QuotedEnd(l.text, end, true), "a string")
				l.escapes = continuesAfterNewline
				continue
			}
		default:
			if c == '\n' {
				l.line++
			}
			if strings.IndexByte(" \t\f\v\r\n", c) >= 0 {
				if l.escapes == continuesAfterNewline && (c == '\n' || c == '\r') {
					l.escapes = continues
				}
				l.at++
				continue
			}
			l.symbols = append(l.symbols, c)
			l.at++
		}
		l.escapes = continuesNot
	}
}

func (l *postgresLexer) lineComment() {
	start := l.at
	end := len(l.text)
	if i := strings.IndexAny(l.text[start:], "\r\n"); i >= 0 {
		end = start + i
	}
	l.at = end
	l.found.Comments = append(l.found.Comments, Comment{Offset: start, Line: l.line, Text: l.text[start+2 : end]})
}

// skip moves to the end of something; what has none runs to the end of the text.
func (l *postgresLexer) skip(end int, what string) {
	if end <= l.at {
		l.found.Open, l.found.OpenLine = what, l.line
		end = len(l.text)
	}
	l.line += strings.Count(l.text[l.at:end], "\n")
	l.at = end
}

// dollar skips $tag$ … $tag$; a dollar sign that begins no quote stands for itself.
func (l *postgresLexer) dollar() {
	end := l.at + 1
	for end < len(l.text) && l.text[end] != '$' && PostgresNamePart(l.text[end]) {
		end++
	}
	tagged := end < len(l.text) && l.text[end] == '$' && (end == l.at+1 || PostgresNameStart(l.text[l.at+1]))
	if !tagged {
		l.at++
		for l.at < len(l.text) && l.text[l.at] >= '0' && l.text[l.at] <= '9' {
			l.at++ // a parameter, $1
		}
		return
	}
	tag := l.text[l.at : end+1]
	i := strings.Index(l.text[end+1:], tag)
	if i < 0 {
		l.skip(-1, "a dollar quote")
		return
	}
	l.skip(end+1+i+len(tag), "a dollar quote")
}

// blockEnd returns where the block comment that s begins with ends; they nest. -1: nowhere.
func blockEnd(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); {
		switch s[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return -1
}

// PostgresNameStart reports whether a name without quotes may begin with a byte.
func PostgresNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// PostgresNamePart reports whether a name without quotes may hold a byte.
func PostgresNamePart(c byte) bool { return PostgresNameStart(c) || c >= '0' && c <= '9' || c == '$' }

// PostgresFold is what the server makes of a name without quotes: A to Z become small.
func PostgresFold(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
