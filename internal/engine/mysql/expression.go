package mysql

import "strings"

// substitute puts ref in the place of a column in an expression: `price * 100` with
// NEW.`price`. Texts, comments and names after or before a dot are left alone. Column
// names are compared without case, as the server does.
func substitute(expr, column, ref string) string {
	var b strings.Builder
	for i := 0; i < len(expr); {
		rest := expr[i:]
		switch c := rest[0]; {
		case c == '\'' || c == '"' || c == '`':
			n := quotedLen(rest)
			token := rest[:n]
			if c == '`' && n > 1 && strings.EqualFold(strings.ReplaceAll(token[1:n-1], "``", "`"), column) && !dotted(expr, i, i+n) {
				token = ref
			}
			b.WriteString(token)
			i += n
		case strings.HasPrefix(rest, "/*"):
			n := len(rest)
			if end := strings.Index(rest[2:], "*/"); end >= 0 {
				n = end + 4
			}
			b.WriteString(rest[:n])
			i += n
		case c == '#' || strings.HasPrefix(rest, "-- "):
			n := len(rest)
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				n = end
			}
			b.WriteString(rest[:n])
			i += n
		case wordByte(c):
			n := 1
			for n < len(rest) && wordByte(rest[n]) {
				n++
			}
			token := rest[:n]
			call := strings.HasPrefix(strings.TrimLeft(rest[n:], " \t\r\n"), "(")
			if strings.EqualFold(token, column) && !dotted(expr, i, i+n) && !call {
				token = ref
			}
			b.WriteString(token)
			i += n
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// dotted reports a name with a qualifier, or one that is a qualifier.
func dotted(s string, from, to int) bool {
	return strings.HasSuffix(strings.TrimRight(s[:from], " \t\r\n"), ".") || strings.HasPrefix(strings.TrimLeft(s[to:], " \t\r\n"), ".") ||
		strings.HasSuffix(s[:from], "@")
}

// quotedLen is the length of the quoted token that s begins with.
func quotedLen(s string) int {
	q := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && q != '`':
			i++
		case s[i] == q:
			if i+1 < len(s) && s[i+1] == q {
				i++
				continue
			}
			return i + 1
		}
	}
	return len(s)
}
