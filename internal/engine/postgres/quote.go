package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/phasedb/phased/expand/plan"
)

// ident quotes an identifier, always.
func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// qualified quotes schema and name.
func qualified(schemaName, name string) string { return ident(schemaName) + "." + ident(name) }

// idents quotes a list, separated by commas.
func idents(cols []string) string {
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = ident(c)
	}
	return strings.Join(out, ", ")
}

// literal quotes a string constant. It is right whatever standard_conforming_strings says.
func literal(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(q, `\`, `\\`)
	}
	return q
}

// literals quotes a list as a text[] constant.
func literals(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = literal(s)
	}
	return "ARRAY[" + strings.Join(out, ", ") + "]::text[]"
}

// maxName is the longest identifier in bytes that PostgreSQL keeps (NAMEDATALEN - 1).
const maxName = plan.MaxNameBytes

// shortName returns prefix+s+suffix, cut to what PostgreSQL keeps. What is cut is
// replaced by a hash of the whole, so that names that differ stay different.
func shortName(prefix, s, suffix string) string {
	if len(prefix)+len(s)+len(suffix) <= maxName {
		return prefix + s + suffix
	}
	sum := sha256.Sum256([]byte(s))
	mark := "~" + hex.EncodeToString(sum[:4])
	keep := s[:maxName-len(prefix)-len(suffix)-len(mark)]
	for !utf8.ValidString(keep) {
		keep = keep[:len(keep)-1]
	}
	return prefix + keep + mark + suffix
}

// dollar quotes a body with a tag that does not occur in it.
func dollar(body string) string {
	tag := "$phased$"
	for i := 0; strings.Contains(body, tag); i++ {
		tag = "$phased" + strings.Repeat("x", i+1) + "$"
	}
	return tag + body + tag
}
