package plan

import (
	"strings"
)

// lineComment is one `--` comment.
type lineComment struct {
	offset, line int
	text         string // behind the dashes, to the end of the line
}

// sqlLexer finds the line comments of PostgreSQL's SQL. It follows scan.l of the
// server with standard_conforming_strings on, which is the default since 9.1.
type sqlLexer struct {
	text string
	at   int
	line int

	open     string // what has no end, where the text ran out
	openLine int
	blocks   int        // block comments seen
	symbol   func(byte) // told each byte outside of everything; may be nil

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

// comment returns the next line comment; false at the end of the text.
func (l *sqlLexer) comment() (lineComment, bool) {
	for l.at < len(l.text) {
		rest := l.text[l.at:]
		switch c := rest[0]; {
		case strings.HasPrefix(rest, "--"):
			return l.lineComment(), true
		case strings.HasPrefix(rest, "/*"):
			l.blocks++
			l.skip(l.at+blockEnd(rest), "a block comment")
		case c == '\'':
			escapes := l.escapes == continues
			l.skip(quotedEnd(l.text, l.at, escapes), "a string")
			l.escapes = continuesNot
			if escapes {
				l.escapes = continuesAfterNewline
			}
			continue
		case c == '"':
			l.skip(quotedEnd(l.text, l.at, false), "a quoted name")
		case c == '$':
			l.dollar()
		case isNameStart(c):
			end := l.at + 1
			for end < len(l.text) && isNamePart(l.text[end]) {
				end++
			}
			escapes := end == l.at+1 && (c == 'e' || c == 'E') && end < len(l.text) && l.text[end] == '\''
			l.at = end
			if escapes {
				l.skip(quotedEnd(l.text, end, true), "a string")
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
			if l.symbol != nil {
				l.symbol(c)
			}
			l.at++
		}
		l.escapes = continuesNot
	}
	return lineComment{}, false
}

func (l *sqlLexer) lineComment() lineComment {
	start := l.at
	end := len(l.text)
	if i := strings.IndexAny(l.text[start:], "\r\n"); i >= 0 {
		end = start + i
	}
	l.at = end
	return lineComment{offset: start, line: l.line, text: l.text[start+2 : end]}
}

// skip moves to the end of something; what has none runs to the end of the text.
func (l *sqlLexer) skip(end int, what string) {
	if end <= l.at {
		l.open, l.openLine = what, l.line
		end = len(l.text)
	}
	l.line += strings.Count(l.text[l.at:end], "\n")
	l.at = end
}

// dollar skips $tag$ … $tag$; a dollar sign that begins no quote stands for itself.
func (l *sqlLexer) dollar() {
	end := l.at + 1
	for end < len(l.text) && l.text[end] != '$' && isNamePart(l.text[end]) {
		end++
	}
	tagged := end < len(l.text) && l.text[end] == '$' && (end == l.at+1 || isNameStart(l.text[l.at+1]))
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

// quotedEnd returns where the quoted text at i ends: its quote is doubled within
// it, and with escapes set a backslash takes the next byte. -1: nowhere.
func quotedEnd(s string, i int, escapes bool) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == quote:
			if i+1 >= len(s) || s[i+1] != quote {
				return i + 1
			}
			i++
		}
	}
	return -1
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

func isNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func isNamePart(c byte) bool { return isNameStart(c) || c >= '0' && c <= '9' || c == '$' }

func foldName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
