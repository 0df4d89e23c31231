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
	return qualified("phased", shortName("sync ", schemaName+"."+table, ""))
}

// stepFunction is the question "in step?" of a link with expressions, as a function
// that answers false where an expression raises.
func stepFunction(l plan.Link) string {
	return qualified("phased", shortName("in step ", l.ID, ""))
}

// Compose gives the statements that make the sync of a table exactly links,
// oldest first; with none the trigger goes. They belong into one transaction: the
// trigger is replaced without an instant in which it is missing.
func (e *Engine) Compose(schemaName, table string, links []plan.Link) []string {
	t, f := qualified(schemaName, table), syncFunction(schemaName, table)
	drop := fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", ident(syncTrigger), t)
	if len(links) == 0 {
		return []string{drop, "DROP FUNCTION IF EXISTS " + f + "()"}
	}
	return []string{
		fmt.Sprintf("CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS %s", f, dollar(syncBody(links))),
		drop,
		fmt.Sprintf("CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s FOR EACH ROW%s EXECUTE FUNCTION %s()", ident(syncTrigger), t, syncWhen(links), f),
		// ALWAYS: writers with session_replication_role = replica are kept in step too.
		fmt.Sprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", t, ident(syncTrigger)),
	}
}

// syncWhen is the trigger's first question, asked before the function is called: is
// any link out of step? With an expression it cannot be asked here, because an
// error would be the user's statement's.
func syncWhen(links []plan.Link) string {
	var any []string
	for _, l := range links {
		if l.Up != "" || l.Down != "" {
			return ""
		}
		any = append(any, differ(l, "NEW."+ident(l.Old), "NEW."+ident(l.New)))
	}
	return " WHEN (" + strings.Join(any, " OR ") + ")"
}

// differ compares the two sides of a link without expressions by their stored
// image; where the type's = is identity it is used, because it is cheaper.
func differ(l plan.Link, old, new string) string {
	if l.ImageEqual {
		return fmt.Sprintf("%s IS DISTINCT FROM %s", new, old)
	}
	return imageDiffers(new, old)
}

func imageDiffers(a, b string) string {
	return fmt.Sprintf("pg_catalog.record_image_ne(ROW(%s), ROW(%s))", a, b)
}

func imageEqual(a, b string) string {
	return fmt.Sprintf("pg_catalog.record_image_eq(ROW(%s), ROW(%s))", a, b)
}

// carry renders an expression over one column, whose value is taken from ref.
func carry(expr, column, ref, typ string) string {
	if expr == "" {
		return ref
	}
	return fmt.Sprintf("(SELECT CAST((%s) AS %s) FROM (SELECT %s AS %s) AS phased)", expr, typ, ref, ident(column))
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

// inStep is I2: new is identical to up(old), or old is identical to down(new) and
// a null new counts only where up(old) is null.
func inStep(l plan.Link, old, new string) string {
	if l.Up == "" && l.Down == "" {
		return imageEqual(new, old)
	}
	return fmt.Sprintf("(%s OR (%s AND (%s IS NOT NULL OR %s IS NULL)))",
		imageEqual(new, up(l, old)), imageEqual(old, down(l, new)), new, up(l, old))
}

// outOfStep is the one predicate as a filter over a table: the backfill's, the
// verification's and the repair's. alias qualifies the columns; it is quoted here.
func outOfStep(l plan.Link, alias string) string {
	old, new := ident(alias)+"."+ident(l.Old), ident(alias)+"."+ident(l.New)
	if l.Up == "" && l.Down == "" {
		return differ(l, old, new)
	}
	return fmt.Sprintf("NOT %s(%s, %s)", stepFunction(l), old, new)
}

// fillValue is what the backfill writes into the new column.
func fillValue(l plan.Link, alias string) string {
	return up(l, ident(alias)+"."+ident(l.Old))
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
// changed, and on INSERT that it differs from the column's own default.
func downPass(b *strings.Builder, l plan.Link) {
	old, new := "NEW."+ident(l.Old), "NEW."+ident(l.New)
	def := l.Default
	if def == "" {
		def = "NULL::" + l.Type
	}
	// In parentheses: PL/pgSQL ends an IF's condition at the first THEN outside of them.
	written := fmt.Sprintf("(CASE WHEN TG_OP = 'INSERT' THEN %s ELSE %s END)",
		imageDiffers(new, "("+def+")"), imageDiffers(new, "OLD."+ident(l.New)))
	fmt.Fprintf(b, "  -- %s: %s -> %s\n", comment(l.ID), comment(l.New), comment(l.Old))
	if l.Down == "" && l.Up == "" {
		fmt.Fprintf(b, "  IF %s AND %s THEN\n    %s := %s;\n  END IF;\n", written, imageDiffers(new, old), old, new)
		return
	}
	// New code is refused when old code could not read what it wrote.
	fmt.Fprintf(b, "  IF %s THEN\n    BEGIN\n      IF NOT %s THEN\n        %s := %s;\n      END IF;\n", written, inStep(l, old, new), old, down(l, new))
	fmt.Fprintf(b, "    EXCEPTION WHEN OTHERS THEN\n      RAISE EXCEPTION USING ERRCODE = '%s', MESSAGE = %s || SQLERRM, HINT = %s;\n    END;\n  END IF;\n",
		codeRefusedNew,
		literal(fmt.Sprintf("phased: migration %s: the value written to %s cannot be carried to %s, which old code still reads: ", l.Migration, l.New, l.Old)),
		literal("write a value that the migration's down expression can carry, or contract the migration first"))
}

// upPass carries what old code wrote to the new side, and heals a row that the
// backfill has not reached.
func upPass(b *strings.Builder, l plan.Link) {
	old, new := "NEW."+ident(l.Old), "NEW."+ident(l.New)
	fmt.Fprintf(b, "  -- %s: %s -> %s\n", comment(l.ID), comment(l.Old), comment(l.New))
	// Evidence that the old side is in use: its own image changed, so this is no
	// healing. CASE: OLD cannot be looked at on INSERT.
	count := ""
	if l.Evidence != "" {
		count = fmt.Sprintf("    IF (CASE WHEN TG_OP = 'INSERT' THEN true ELSE %s END) THEN\n      PERFORM pg_catalog.nextval(%s::pg_catalog.regclass);\n    END IF;\n",
			imageDiffers(old, "OLD."+ident(l.Old)), literal(l.Evidence))
	}
	lock := ""
	if l.Serialize {
		lock = fmt.Sprintf("    IF TG_OP = 'INSERT' THEN\n      PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s || %s::text, 0));\n    END IF;\n",
			literal(l.ID+" "), old)
	}
	if l.Up == "" && l.Down == "" {
		fmt.Fprintf(b, "  IF %s THEN\n%s%s    %s := %s;\n  END IF;\n", imageDiffers(new, old), lock, count, new, old)
		return
	}
	// Where up raises the row stays out of step: nobody's statement fails because of
	// the new side. The verification finds the row and contract stays shut.
	fmt.Fprintf(b, "  BEGIN\n  IF NOT %s THEN\n%s%s    %s := %s;\n  END IF;\n  EXCEPTION WHEN OTHERS THEN\n    NULL;\n  END;\n",
		inStep(l, old, new), lock, count, new, up(l, old))
}

// comment makes a name safe inside a line comment.
func comment(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(s)
}

// stepFunctionSQL creates the question "in step?" of a link with expressions.
func stepFunctionSQL(l plan.Link) string {
	body := fmt.Sprintf("\nBEGIN\n  RETURN %s;\nEXCEPTION WHEN OTHERS THEN\n  RETURN false;\nEND\n", inStep(l, "$1", "$2"))
	return fmt.Sprintf("CREATE OR REPLACE FUNCTION %s(%s, %s) RETURNS boolean LANGUAGE plpgsql STABLE AS %s", stepFunction(l), l.OldType, l.Type, dollar(body))
}
