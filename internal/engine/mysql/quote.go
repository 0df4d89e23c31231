package mysql

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// ident quotes an identifier, always. Backticks quote in every sql_mode.
func ident(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// idents quotes a list, separated by commas.
func idents(cols []string) string {
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = ident(c)
	}
	return strings.Join(out, ", ")
}

// literal quotes a string constant. It is right under the sql_mode that our sessions
// are pinned to, where a backslash escapes.
func literal(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''", "\x00", `\0`, "\n", `\n`, "\r", `\r`, "\x1a", `\Z`).Replace(s) + "'"
}

// maxName is the longest identifier in characters.
const maxName = 64

// shortName returns prefix+s+suffix, cut to what the server keeps. What is cut is
// replaced by a hash of the whole, so that names that differ stay different.
func shortName(prefix, s, suffix string) string {
	if utf8.RuneCountInString(prefix)+utf8.RuneCountInString(s)+utf8.RuneCountInString(suffix) <= maxName {
		return prefix + s + suffix
	}
	mark := "~" + hash(s)
	keep := []rune(s)[:maxName-utf8.RuneCountInString(prefix)-utf8.RuneCountInString(suffix)-len(mark)]
	return prefix + string(keep) + mark + suffix
}

// hash is short and stable.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}
