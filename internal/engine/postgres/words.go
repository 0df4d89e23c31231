package postgres

import (
	"fmt"
	"regexp"
	"strings"
)

// folded matches the names that SQL text may write without quotes: an unquoted
// word folds to lower case, so nothing else reaches them.
var folded = regexp.MustCompile(`^[a-z_\x{80}-\x{10ffff}][a-z0-9_$\x{80}-\x{10ffff}]*$`)

// A word ends where no identifier goes on. The quote counts as part of one: "Email"
// is another name than email, and is looked for apart.
const (
	wordBegin = `(^|[^[:alnum:]_$"])`
	wordEnd   = `($|[^[:alnum:]_$"])`
)

// mentions is a condition: the text names an identifier as a whole word, in any
// case where it may stand without quotes, or in quotes exactly.
func mentions(text, name string) string {
	quoted := fmt.Sprintf("pg_catalog.strpos(%s, %s) > 0", text, literal(ident(name)))
	if !folded.MatchString(name) {
		return quoted
	}
	return fmt.Sprintf("(%s ~* %s OR %s)", text, literal(wordBegin+pattern(name)+wordEnd), quoted)
}

// mentionsField is a condition: the text takes the field of NEW or OLD.
func mentionsField(text, name string) string {
	const row = `(^|[^[:alnum:]_$"])([nN][eE][wW]|[oO][lL][dD])[[:space:]]*\.[[:space:]]*`
	quoted := fmt.Sprintf("%s ~ %s", text, literal(row+pattern(ident(name))))
	if !folded.MatchString(name) {
		return quoted
	}
	return fmt.Sprintf("(%s ~* %s OR %s)", text, literal(row+pattern(name)+wordEnd), quoted)
}

// pattern escapes a name for a regular expression.
func pattern(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r < 0x80 && strings.ContainsRune(`\^$.|?*+()[]{}-"`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
