package mysql

import (
	"fmt"
	"strings"
)

// typeClass is how values of a type are compared by their stored image, and how an
// expression becomes one of them.
type typeClass int

const (
	classUnknown typeClass = iota
	classExact             // <=> is identity
	classText              // a collation decides what is equal
	classBytes
	classFloat     // -0 equals 0
	classTimestamp // compared in the session's time zone, where an hour comes twice a year
	classNumbered  // enum and set: compared as text
	classJSON      // MySQL's own type
)

// baseType is the first word of a column's type: "varchar" of "varchar(50) CHARACTER SET …".
func baseType(typ string) string {
	t := strings.ToLower(typ)
	if i := strings.IndexFunc(t, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }); i >= 0 {
		t = t[:i]
	}
	return t
}

func classOf(typ string) typeClass {
	switch baseType(typ) {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "numeric", "bit", "year", "date", "datetime", "time", "uuid", "inet4", "inet6":
		return classExact
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		return classText
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return classBytes
	case "float", "double", "real":
		return classFloat
	case "timestamp":
		return classTimestamp
	case "enum", "set":
		return classNumbered
	case "json":
		return classJSON
	}
	return classUnknown
}

// same is a condition, never null: the two values of a type are stored alike.
func same(typ, a, b string) string {
	each := func(format string) string { return fmt.Sprintf(format, a) + " <=> " + fmt.Sprintf(format, b) }
	switch classOf(typ) {
	case classText:
		return each("CAST(%s AS BINARY)")
	case classFloat:
		return "(" + each("%s") + " AND " + each("CAST(%s AS CHAR)") + ")"
	case classTimestamp:
		return each("UNIX_TIMESTAMP(%s)")
	case classNumbered:
		return each("CAST(%s AS UNSIGNED)")
	case classJSON:
		return each("CAST(CAST(%s AS CHAR) AS BINARY)")
	}
	return each("%s")
}

// charset is the character set in a column's full type, or "".
func charset(typ string) string {
	_, rest, ok := strings.Cut(typ, " CHARACTER SET ")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, " ")
	return name
}

// typed turns an expression into a value as a column of the type would hold it, for
// statements that have no variable of that type. Where a value does not fit the column,
// it does not fit what is written either, and that raises; so lengths are left out.
func typed(typ, expr string) string {
	length := ""
	if _, rest, ok := strings.Cut(typ, "("); ok {
		n, _, _ := strings.Cut(rest, ")")
		length = "(" + n + ")"
	}
	as := func(target string) string { return fmt.Sprintf("CAST(%s AS %s)", expr, target) }
	switch baseType(typ) {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "bit", "year":
		if strings.Contains(strings.ToLower(typ), "unsigned") || baseType(typ) == "bit" {
			return as("UNSIGNED")
		}
		return as("SIGNED")
	case "decimal", "numeric":
		return as("DECIMAL" + length)
	case "float":
		return as("FLOAT")
	case "double", "real":
		return as("DOUBLE")
	case "date":
		return as("DATE")
	case "datetime", "timestamp":
		return as("DATETIME" + length)
	case "time":
		return as("TIME" + length)
	case "binary":
		return as("BINARY" + length)
	case "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return as("BINARY")
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		return fmt.Sprintf("CONVERT(%s USING %s)", expr, charset(typ))
	}
	return expr
}

// carriesExpressions reports whether up and down expressions can be used with a type.
func carriesExpressions(typ string) bool {
	switch classOf(typ) {
	case classUnknown, classNumbered, classJSON:
		return false
	}
	switch baseType(typ) {
	case "uuid", "inet4", "inet6":
		return false
	}
	return classOf(typ) != classText || charset(typ) != ""
}
