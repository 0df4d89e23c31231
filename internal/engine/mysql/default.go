package mysql

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/phasedb/phased/internal/schema"
)

// readDefault gives a default as DDL has it, in one form for all servers, and its class.
func readDefault(typ, def string) (string, schema.DefaultClass) {
	switch {
	case def == "":
		return "", schema.DefaultNone
	case isNow(def):
		return now(def), schema.DefaultConstant
	}
	if text, ok := unquote(def); ok {
		switch {
		case isBinary(typ):
			def = "x'" + hex.EncodeToString([]byte(text)) + "'"
		case isNumber(typ):
			def = text
		}
		return def, schema.DefaultConstant
	}
	if digits, ok := strings.CutPrefix(def, "0x"); ok && isBinary(typ) {
		def = "x'" + strings.ToLower(digits) + "'"
	}
	if isConstant(def) {
		return def, schema.DefaultConstant
	}
	return def, schema.DefaultVolatile
}

var nowPattern = regexp.MustCompile(`(?i)^(current_timestamp|now|localtime|localtimestamp)(\((\d*)\))?$`)

// isNow reports the time of the statement, which is the same however often it is asked.
func isNow(def string) bool { return nowPattern.MatchString(def) }

// now writes it in one way: CURRENT_TIMESTAMP, CURRENT_TIMESTAMP(3).
func now(def string) string {
	m := nowPattern.FindStringSubmatch(def)
	switch {
	case m == nil:
		return def
	case m[3] == "" || m[3] == "0":
		return "CURRENT_TIMESTAMP"
	}
	return "CURRENT_TIMESTAMP(" + m[3] + ")"
}

// constantCalls are functions that give the same value in one statement, however often
// they are called.
var constantCalls = []string{"cast", "convert", "concat", "json_array", "json_object", "json_quote", "json_compact", "_utf8mb4", "_utf8mb3", "_latin1", "_binary",
	"current_timestamp", "now", "localtime", "localtimestamp", "curdate", "current_date", "curtime", "current_time", "utc_timestamp", "utc_date", "utc_time",
	"lower", "upper", "repeat", "unhex", "hex", "date", "year", "json", "decimal", "char", "binary", "time", "datetime"}

// isConstant reports an expression that names no column and calls only what is known.
func isConstant(def string) bool {
	bare := outsideQuotes(def)
	if len(namesIn(def)) > 0 || strings.Contains(bare, "@") {
		return false
	}
	for i := 0; i < len(bare); {
		if !wordByte(bare[i]) {
			i++
			continue
		}
		word, rest := leadingWord(bare[i:])
		if strings.HasPrefix(rest, "(") && !slices.Contains(constantCalls, strings.ToLower(word)) {
			return false
		}
		i += len(word)
	}
	return true
}

// unquote decodes a string literal, as a session without NO_BACKSLASH_ESCAPES writes it.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '\'' || quotedLen(s) != len(s) {
		return "", false
	}
	var b strings.Builder
	for s = s[1 : len(s)-1]; s != ""; s = s[1:] {
		switch {
		case s[0] == '\'':
			s = s[1:] // one of two
			b.WriteByte('\'')
		case s[0] == '\\' && len(s) > 1:
			s = s[1:]
			if i := strings.IndexByte("0nrZtb", s[0]); i >= 0 {
				b.WriteByte("\x00\n\r\x1a\t\b"[i])
			} else {
				b.WriteByte(s[0])
			}
		default:
			b.WriteByte(s[0])
		}
	}
	return b.String(), true
}

func isBinary(typ string) bool { return classOf(typ) == classBytes }

func isNumber(typ string) bool {
	switch baseType(typ) {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "numeric", "float", "double", "real", "year":
		return true
	}
	return false
}

func isUnsigned(typ string) bool {
	t := strings.ToLower(typ)
	return strings.Contains(t, " unsigned") || strings.Contains(t, " zerofill")
}

// typeArgs are what stands in parentheses behind a type's name.
func typeArgs(typ string) []string {
	i := strings.IndexByte(typ, '(')
	if i < 0 {
		return nil
	}
	inside, _, _ := parens(typ[i:])
	args := splitTop(inside)
	for i := range args {
		args[i] = strings.TrimSpace(args[i])
	}
	return args
}

func typeArg(typ string, n, or int) int {
	if args := typeArgs(typ); len(args) > n {
		if v, err := strconv.Atoi(args[n]); err == nil {
			return v
		}
	}
	return or
}

// needsExpression: MySQL has no literal default for these, and with an expression it
// would copy the table.
func (e *Engine) needsExpression(typ string) bool {
	if e.mariadb() {
		return false
	}
	switch baseType(typ) {
	case "tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob", "json":
		return true
	}
	return false
}

// zeroValue is a default for a type that has none of its own, as DDL. ok is false for
// types that have no such value. Dates are not zero: a table with such a default can
// not be altered by sessions under NO_ZERO_DATE. json: a check lets JSON in only, which
// is what MariaDB makes of the type.
func (e *Engine) zeroValue(typ string, json bool) (def string, ok bool) {
	switch base := baseType(typ); {
	case isNumber(typ):
		def = "0"
	case base == "bit":
		def = "b'0'"
	case base == "enum" && len(typeArgs(typ)) > 0:
		def = typeArgs(typ)[0]
	case classOf(typ) == classText, classOf(typ) == classBytes, base == "set":
		if def = "''"; json {
			def = "'null'"
		}
	case base == "date":
		def = "'1970-01-01'"
	case base == "datetime":
		def = "'1970-01-01 00:00:00'"
	case base == "timestamp":
		def = now(fmt.Sprintf("CURRENT_TIMESTAMP(%d)", typeArg(typ, 0, 0)))
	case base == "time":
		def = "'00:00:00'"
	case base == "json":
		return "(CAST('null' AS JSON))", true
	case base == "uuid":
		def = "'00000000-0000-0000-0000-000000000000'"
	case base == "inet6":
		def = "'::'"
	case base == "inet4":
		def = "'0.0.0.0'"
	default:
		return "", false
	}
	if e.needsExpression(typ) {
		def = "(" + def + ")"
	}
	return def, true
}

// placeholder is what the new column holds in rows that were there before, where it is
// NOT NULL. New code that writes exactly this into a row that is not filled yet is taken
// for one that writes nothing, so it is a value that nobody writes; where the type has
// none, unlikely is false.
func (e *Engine) placeholder(typ string, json bool) (def string, unlikely bool) {
	switch base := baseType(typ); base {
	case "char", "varchar", "binary", "varbinary":
		if typeArg(typ, 0, 1) > 0 {
			return `X'01'`, true
		}
	case "tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob":
		if e.mariadb() && !json {
			return `X'01'`, true
		}
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint":
		bits := map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}[base]
		if isUnsigned(typ) {
			return strconv.FormatUint(1<<bits-1, 10), true
		}
		return strconv.FormatInt(-1<<(bits-1), 10), true
	case "decimal", "numeric":
		digits, scale := typeArg(typ, 0, 10), typeArg(typ, 1, 0)
		v := strings.Repeat("9", digits-scale)
		if v == "" {
			v = "0"
		}
		if scale > 0 {
			v += "." + strings.Repeat("9", scale)
		}
		if !isUnsigned(typ) {
			v = "-" + v
		}
		return v, true
	case "float", "double", "real":
		if len(typeArgs(typ)) == 0 && !isUnsigned(typ) {
			return "-3.4e38", true
		}
		if len(typeArgs(typ)) == 0 {
			return "3.4e38", true
		}
	case "date":
		return "'9999-12-30'", true
	case "datetime":
		return "'9999-12-30 23:59:58'", true
	case "timestamp":
		return "'2038-01-18 03:14:06'", true
	case "time":
		return "'-838:59:58'", true
	case "year":
		return "2155", true
	case "uuid":
		return "'ffffffff-ffff-ffff-ffff-fffffffffffe'", true
	case "inet6":
		return "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe'", true
	case "inet4":
		return "'255.255.255.254'", true
	}
	def, _ = e.zeroValue(typ, json)
	return def, false
}

// comparable gives a constant default in the form in which the sync compares it with
// the column (see same); ok is false where that is not known.
func comparable(typ, def string) (string, bool) {
	text, quoted := unquote(def)
	switch base := baseType(typ); {
	case isNow(def):
		return def, true
	case base == "bit":
		bits, ok := strings.CutPrefix(def, "b'")
		n, err := strconv.ParseUint(strings.TrimSuffix(bits, "'"), 2, 64)
		return strconv.FormatUint(n, 10), ok && err == nil
	case base == "enum" && quoted:
		i := slices.IndexFunc(typeArgs(typ), func(m string) bool { v, _ := unquote(m); return v == text })
		return strconv.Itoa(i + 1), i >= 0
	case base == "set" && quoted:
		n := uint64(0)
		for i, m := range typeArgs(typ) {
			if v, _ := unquote(m); slices.Contains(strings.Split(text, ","), v) {
				n |= 1 << i
			}
		}
		return strconv.FormatUint(n, 10), true
	case base == "float":
		return "CAST(" + def + " AS FLOAT)", true
	case base == "double" || base == "real":
		return "CAST(" + def + " AS DOUBLE)", true
	case base == "binary":
		digits, err := hexOf(def)
		n := 2*typeArg(typ, 0, 1) - len(digits)
		return "x'" + digits + strings.Repeat("0", max(0, n)) + "'", err == nil && n >= 0
	case quoted && (base == "date" || base == "time" || base == "datetime"):
		// In a trigger MySQL compares a TIME with a text as texts, with and without decimals.
		return typed(typ, def), true
	case base == "timestamp" && quoted:
		// A literal would be read in the time zone of whoever fires the trigger.
		return utcTimestamp(text)
	}
	return def, true
}

// hexOf gives the bytes of a binary default.
func hexOf(def string) (string, error) {
	if text, ok := unquote(def); ok {
		return hex.EncodeToString([]byte(text)), nil
	}
	digits := strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(def), "x'"), "'")
	_, err := hex.DecodeString(digits)
	return digits, err
}
