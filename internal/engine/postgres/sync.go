package postgres

import (
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// The sync of a table is one BEFORE INSERT OR UPDATE row trigger, composed from
// every link in flight. Its name sorts behind every ordinary one, because row
// triggers of a kind fire in the order of their names.
const syncTrigger = "~phased_sync"

// syncFunction is the trigger's function. It lives in our schema: firing a trigger
// needs no privilege on its function.
func syncFunction(schemaName, table string) string {
	name := schemaName + "." + table
	if strings.Count(name, ".") > 1 { // "a.b"."c" is not "a"."b.c"
		name = qualified(schemaName, table)
	}
	return qualified("phased", shortName("sync ", name, ""))
}

// Compose gives the statements that make the sync of a table exactly links,
// oldest first; with none the trigger goes. They belong into one transaction: the
// trigger is replaced without an instant in which it is missing.
func (e *Engine) Compose(schemaName, table string, links []plan.Link) []string {
	t, f := qualified(schemaName, table), syncFunction(schemaName, table)
	drop := fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", ident(syncTrigger), t)
	// The partitioned table first, then its partitions, as every query does: DROP
	// TRIGGER by itself locks a partition before its parent, and would wait for
	// writers that wait for it.
	lock := fmt.Sprintf("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", t)
	if len(links) == 0 {
		return []string{lock, drop, "DROP FUNCTION IF EXISTS " + f + "()"}
	}
	return []string{
		lock,
		"SET LOCAL search_path TO pg_catalog, pg_temp", // the WHEN clause keeps the operators it finds
		fmt.Sprintf("CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql%s AS %s", f, syncPath(links), dollar(syncBody(links))),
		drop,
		fmt.Sprintf("CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s FOR EACH ROW%s EXECUTE FUNCTION %s()", ident(syncTrigger), t, syncWhen(links), f),
		// ALWAYS: writers with session_replication_role = replica are kept in step too.
		fmt.Sprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", t, ident(syncTrigger)),
	}
}

// syncWhen is the trigger's first question, asked before the function is called: is
// any link out of step?
func syncWhen(links []plan.Link) string {
	var any []string
	for _, l := range links {
		any = append(any, differ(l, "NEW."+ident(l.Old), "NEW."+ident(l.New)))
	}
	return " WHEN (" + strings.Join(any, " OR ") + ")"
}

// differ is I2 turned around: the two sides of a link are out of step. Without
// expressions they are compared by their stored image; where the type's = is identity
// that is used, because it is cheaper. It takes its = from the search_path, which is
// ours when the trigger is created; its tree is small, and the server reads it for
// every statement.
func differ(l plan.Link, old, new string) string {
	if l.ImageEqual && !expresses(l) {
		return fmt.Sprintf("%s IS DISTINCT FROM %s", new, old)
	}
	return differs(l, old, new)
}

// differs is the same under anybody's search_path.
func differs(l plan.Link, old, new string) string {
	switch {
	case expresses(l):
		return fmt.Sprintf("NOT %s(%s, %s)", stepFunction(l), old, new)
	case l.ImageEqual:
		return fmt.Sprintf("((%s OPERATOR(pg_catalog.=) %s) IS NOT TRUE AND (%s IS NOT NULL OR %s IS NOT NULL))", new, old, new, old)
	}
	return imageDiffers(new, old)
}

func imageDiffers(a, b string) string {
	return fmt.Sprintf("pg_catalog.record_image_ne(ROW(%s), ROW(%s))", a, b)
}

// outOfStep is the one predicate as a filter over a table: the backfill's, the
// verification's and the repair's. alias qualifies the columns; it is quoted here.
func outOfStep(l plan.Link, alias string) string {
	return differs(l, ident(alias)+"."+ident(l.Old), ident(alias)+"."+ident(l.New))
}

// fillValue is what the backfill writes into the new column. It raises where up does.
func fillValue(l plan.Link, alias string) string {
	return carryUp(l, ident(alias)+"."+ident(l.Old))
}

// syncPath pins the search_path of the function where a default has to be read in it:
// its operators and types are the server's own, whatever the writer's path. All else
// in the function is qualified, because pinning costs.
func syncPath(links []plan.Link) string {
	for _, l := range links {
		if l.Default != "" {
			return " SET search_path TO pg_catalog, pg_temp"
		}
	}
	return ""
}

// syncBody is the trigger's function: first every down, newest change to oldest,
// then every up, oldest to newest. A trigger for each change would lose writes
// when a → b → c are stacked.
func syncBody(links []plan.Link) string {
	var b strings.Builder
	b.WriteString("\nBEGIN\n")
	for i := len(links) - 1; i >= 0; i-- {
		downPass(&b, links[i])
	}
	for _, l := range links {
		upPass(&b, l)
	}
	b.WriteString("  RETURN NEW;\nEND\n")
	return b.String()
}

// downPass carries what new code wrote to the old side. Written means: the image
// changed, and on INSERT that it differs from the column's own default, which the
// server evaluates under the same settings as the writer's own.
func downPass(b *strings.Builder, l plan.Link) {
	old, new := "NEW."+ident(l.Old), "NEW."+ident(l.New)
	set := new + " IS DISTINCT FROM NULL" // IS NOT NULL says no of ROW(1, NULL)
	if l.Default != "" {
		set = imageDiffers(new, fmt.Sprintf("CAST((%s) AS %s)", l.Default, l.Type))
	}
	// CASE: OLD cannot be looked at on INSERT. In parentheses: PL/pgSQL ends an IF's
	// condition at the first THEN outside of them.
	written := fmt.Sprintf("(CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN %s ELSE %s END)", set, imageDiffers(new, "OLD."+ident(l.New)))
	fmt.Fprintf(b, "  -- %s: %s -> %s\n  IF %s AND %s THEN\n", comment(l.ID), comment(l.New), comment(l.Old), differs(l, old, new), written)
	if expresses(l) {
		// New code is refused when old code could not read what it wrote.
		fmt.Fprintf(b, "    BEGIN\n      %s := %s;\n    EXCEPTION WHEN %s THEN\n      RAISE EXCEPTION USING ERRCODE = '%s', MESSAGE = pg_catalog.concat(%s, SQLERRM), HINT = %s;\n    END;\n",
			old, carryDown(l, new), anyError, codeRefusedNew,
			literal(fmt.Sprintf("phased: migration %s: the value written to %s cannot be carried to %s, which old code still reads: ", l.Migration, l.New, l.Old)),
			literal("write a value that the migration's down expression can carry, or contract the migration first"))
	} else {
		fmt.Fprintf(b, "    %s := %s;\n", old, new)
	}
	b.WriteString("  END IF;\n")
}

// anyError is every error but a cancelled statement's: OTHERS leaves ASSERT out.
const anyError = "OTHERS OR ASSERT_FAILURE"

// upPass carries what old code wrote to the new side, and heals a row that the
// backfill has not reached.
func upPass(b *strings.Builder, l plan.Link) {
	old, new := "NEW."+ident(l.Old), "NEW."+ident(l.New)
	fmt.Fprintf(b, "  -- %s: %s -> %s\n  IF %s THEN\n", comment(l.ID), comment(l.Old), comment(l.New), differs(l, old, new))
	// Evidence that the old side is in use: its own image changed, so this is no
	// healing.
	if l.Evidence != "" {
		fmt.Fprintf(b, "    IF (CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN true ELSE %s END) THEN\n      PERFORM pg_catalog.nextval(%s::pg_catalog.regclass);\n    END IF;\n",
			imageDiffers(old, "OLD."+ident(l.Old)), literal(l.Evidence))
	}
	if expresses(l) {
		// Where up raises the row stays out of step: nobody's statement fails because of
		// the new side. The verification finds the row and contract stays shut.
		fmt.Fprintf(b, "    BEGIN\n      %s := %s;\n    EXCEPTION WHEN %s THEN\n      NULL;\n    END;\n", new, carryUp(l, old), anyError)
	} else {
		fmt.Fprintf(b, "    %s := %s;\n", new, old)
	}
	b.WriteString("  END IF;\n")
	if l.Serialize {
		serialize(b, l, old)
	}
}

// serialize makes inserts of equal values wait for each other, old code's and new
// code's alike: ON CONFLICT has one of the two unique indexes as its arbiter and
// would fail on the other.
func serialize(b *strings.Builder, l plan.Link, value string) {
	// Values that are equal can look different (numeric 1.0 and 1.00): one lock for all.
	key := literal(l.ID)
	if l.ImageEqual || textLike(l.Type) {
		// Text that citext, a collation or an index on lower() takes for equal differs in
		// case, or is equal for the hash function too.
		key = fmt.Sprintf("pg_catalog.textcat(%s, pg_catalog.lower(%s::pg_catalog.text))", literal(l.ID+" "), value)
	}
	fmt.Fprintf(b, "  IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN\n    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 0));\n  END IF;\n", key)
}

func textLike(typ string) bool {
	return typ == "text" || strings.HasPrefix(typ, "character") || typ == "citext" || strings.HasSuffix(typ, ".citext")
}

// comment makes a name safe inside a line comment.
func comment(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(s)
}
