package mysql

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// ignoreMark in a body says that it means something else by the words.
const ignoreMark = "phased:ignore"

// names reports whether SQL text names an identifier: as a word of its own in any case,
// or in quotes. Names in comments do not count, but for comments that the server runs
// (/*! … */). Names in strings do: a statement may be prepared from one.
func names(text, name string) bool {
	for text != "" {
		switch c := text[0]; {
		case c == '`' || c == '"' || c == '\'':
			n := quotedLen(text)
			inner := strings.TrimSuffix(text[1:n], text[:1])
			if c != '\'' && strings.EqualFold(strings.ReplaceAll(inner, string([]byte{c, c}), string(c)), name) {
				return true
			}
			if c != '`' && names(inner, name) {
				return true
			}
			text = text[n:]
		case strings.HasPrefix(text, "/*!") || strings.HasPrefix(text, "/*M!"):
			text = strings.TrimLeft(text[3:], "M!0123456789")
		case comment(text) > 0:
			text = text[comment(text):]
		case wordByte(c):
			n := 1
			for n < len(text) && wordByte(text[n]) {
				n++
			}
			if strings.EqualFold(text[:n], name) {
				return true
			}
			text = text[n:]
		default:
			text = text[1:]
		}
	}
	return false
}

// comment is the length of the comment that a text begins with, or 0.
func comment(text string) int {
	end := "\n"
	switch {
	case strings.HasPrefix(text, "/*"):
		if i := strings.Index(text[2:], "*/"); i >= 0 {
			return i + 4
		}
		return len(text)
	case text[0] == '#':
	case strings.HasPrefix(text, "--") && (len(text) == 2 || text[2] <= ' '):
	default:
		return 0
	}
	if i := strings.Index(text, end); i >= 0 {
		return i + 1
	}
	return len(text)
}

// takesField reports whether a trigger's body takes a column from NEW or OLD.
func takesField(text, column string) bool {
	const row = `(?i)(^|[^\w$])(new|old)` + "`?" + `\s*\.\s*`
	if regexp.MustCompile(row + regexp.QuoteMeta(ident(column))).MatchString(text) {
		return true
	}
	for _, at := range regexp.MustCompile(row+regexp.QuoteMeta(column)).FindAllStringIndex(text, -1) {
		if next, _ := utf8.DecodeRuneInString(text[at[1]:]); at[1] == len(text) || next < 0x80 && !wordByte(byte(next)) {
			return true
		}
	}
	return false
}

// containsFold is strings.Contains in any case: names of columns have none.
func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
