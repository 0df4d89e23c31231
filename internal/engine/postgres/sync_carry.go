package postgres

import (
	"fmt"

	"github.com/phasedb/phased/expand/plan"
)

// A link with expressions has three functions: up and down, which raise what the
// expressions raise, and the question whether two values are in step, which never
// raises. The trigger, the backfill and the verification all call them.

// expresses reports whether a value is not taken as it is.
func expresses(l plan.Link) bool { return l.Up != "" || l.Down != "" }

func stepFunction(l plan.Link) string { return qualified("phased", shortName("in step ", l.ID, "")) }
func upFunction(l plan.Link) string   { return qualified("phased", shortName("up ", l.ID, "")) }
func downFunction(l plan.Link) string { return qualified("phased", shortName("down ", l.ID, "")) }

func carryUp(l plan.Link, ref string) string {
	if !expresses(l) {
		return ref
	}
	return upFunction(l) + "(" + ref + ")"
}

func carryDown(l plan.Link, ref string) string {
	if !expresses(l) {
		return ref
	}
	return downFunction(l) + "(" + ref + ")"
}

// pins are the settings that the value of an expression can depend on. Two sessions
// must not disagree on whether a row is in step, or the one would take the other's
// write for new code's and carry it down.
const pins = `SET search_path TO pg_catalog, pg_temp SET "TimeZone" TO 'UTC' SET "DateStyle" TO 'ISO, YMD' SET "IntervalStyle" TO 'postgres'` +
	` SET extra_float_digits TO 1 SET bytea_output TO 'hex' SET lc_monetary TO 'C' SET lc_numeric TO 'C' SET lc_time TO 'C' SET standard_conforming_strings TO on`

// carryFunctions creates the functions of a link with expressions; none without.
func carryFunctions(l plan.Link) []string {
	if !expresses(l) {
		return nil
	}
	// The expression's column is a variable of an inner block: so it may be called found,
	// which PL/pgSQL has one for already, and the expression is evaluated without a query.
	create := func(name, args, result, body string) string {
		return fmt.Sprintf("CREATE OR REPLACE FUNCTION %s(%s) RETURNS %s LANGUAGE plpgsql STABLE %s AS %s", name, args, result, pins,
			dollar("\n#variable_conflict use_column\nBEGIN\n"+body+"END\n"))
	}
	out := []string{
		create(upFunction(l), l.OldType, l.Type, fmt.Sprintf("  DECLARE %s %s := $1;\n  BEGIN\n    RETURN %s;\n  END;\n", ident(oldName(l)), l.OldType, as(l.Up, oldName(l), l.Type))),
		create(downFunction(l), l.Type, l.OldType, fmt.Sprintf("  DECLARE %s %s := $1;\n  BEGIN\n    RETURN %s;\n  END;\n", ident(l.New), l.Type, as(l.Down, l.New, l.OldType))),
		create(stepFunction(l), l.OldType+", "+l.Type, "boolean", stepBody(l)),
	}
	// Writers call them, and default privileges may leave PUBLIC out.
	for _, f := range carrySignatures(l) {
		out = append(out, "GRANT EXECUTE ON FUNCTION "+f+" TO PUBLIC")
	}
	return out
}

func carrySignatures(l plan.Link) []string {
	return []string{
		fmt.Sprintf("%s(%s)", upFunction(l), l.OldType),
		fmt.Sprintf("%s(%s)", downFunction(l), l.Type),
		fmt.Sprintf("%s(%s, %s)", stepFunction(l), l.OldType, l.Type),
	}
}

// dropCarryFunctions takes them away, once no trigger calls them.
func dropCarryFunctions(l plan.Link) []string {
	if !expresses(l) {
		return nil
	}
	var out []string
	for _, f := range carrySignatures(l) {
		out = append(out, "DROP FUNCTION IF EXISTS "+f)
	}
	return out
}

// as is an expression over a variable in the type it is carried to.
func as(expr, variable, typ string) string {
	if expr == "" {
		return ident(variable)
	}
	return fmt.Sprintf("CAST((%s) AS %s)", expr, typ)
}

// stepBody is I2: new is identical to up(old), or old is identical to down(new) and
// a null new counts only where up(old) is null. An expression that raises decides
// nothing, and the other one is still asked.
func stepBody(l plan.Link) string {
	old, new := "$1", "$2"
	upOld, downNew := as(l.Up, oldName(l), l.Type), as(l.Down, l.New, l.OldType)
	return fmt.Sprintf(`  DECLARE %[1]s %[2]s := $1;
  BEGIN
    IF %[3]s THEN
      RETURN true;
    ELSIF $2 IS NOT DISTINCT FROM NULL AND %[4]s IS DISTINCT FROM NULL THEN
      RETURN false;
    END IF;
  EXCEPTION WHEN %[5]s THEN
    IF $2 IS NOT DISTINCT FROM NULL THEN
      RETURN false;
    END IF;
  END;
  DECLARE %[6]s %[7]s := $2;
  BEGIN
    RETURN %[8]s;
  EXCEPTION WHEN %[5]s THEN
    RETURN false;
  END;
`, ident(oldName(l)), l.OldType, imageEqual(new, upOld), upOld, anyError, ident(l.New), l.Type, imageEqual(old, downNew))
}

func imageEqual(a, b string) string {
	return fmt.Sprintf("pg_catalog.record_image_eq(ROW(%s), ROW(%s))", a, b)
}

func up(l plan.Link, ref string) string   { return carry(l.Up, oldName(l), ref, l.Type) }
func down(l plan.Link, ref string) string { return carry(l.Down, l.New, ref, l.OldType) }

// oldName is the name that the link's expression knows the old column by.
func oldName(l plan.Link) string {
	if l.Shown != "" {
		return l.Shown
	}
	return l.Old
}

// carry renders an expression over one column, whose value is taken from ref.
func carry(expr, column, ref, typ string) string {
	if expr == "" {
		return ref
	}
	return fmt.Sprintf("(SELECT CAST((%s) AS %s) FROM (SELECT %s AS %s) AS phased)", expr, typ, ref, ident(column))
}
