package mysql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// The sync of a table is a BEFORE INSERT and a BEFORE UPDATE trigger, composed from
// every link in flight. Triggers of one kind fire in the order of their creation. A
// server has no way to replace a trigger, so the new pair is created before the old one
// is dropped: both go by value, and what the one has put in step the other leaves alone.
// The names hold a hash of what the pair does, so that the catalog tells which is there.
const triggerPrefix = "phased~"

// expresses reports whether a value is not taken as it is.
func expresses(l plan.Link) bool { return l.Up != "" || l.Down != "" }

// Compose gives the triggers of a table's sync, oldest link first; none without links.
// The former ones are dropped afterwards.
func (e *Engine) Compose(_, table string, links []plan.Link) []string { return compose(table, links) }

func compose(table string, links []plan.Link) []string {
	if len(links) == 0 {
		return nil
	}
	names := triggerNames(table, links)
	create := func(name, event, body string) string {
		return fmt.Sprintf("CREATE TRIGGER %s BEFORE %s ON %s FOR EACH ROW %s", ident(name), event, ident(table), body)
	}
	return []string{create(names[0], "INSERT", syncBody(links, true)), create(names[1], "UPDATE", syncBody(links, false))}
}

// triggerNames are the names of the two triggers that Compose creates; none without links.
func triggerNames(table string, links []plan.Link) []string {
	if len(links) == 0 {
		return nil
	}
	stem := triggerPrefix + hash(strings.Join([]string{table, syncBody(links, true), syncBody(links, false)}, "\x00")) + "~"
	return []string{shortName(stem, table, "~i"), shortName(stem, table, "~u")}
}

// updatesFirst is the order in which triggers are dropped. A row inserted without the
// sync is out of step, and an update trigger would put it in step with the old side: what
// new code inserted would be lost with its next update.
func updatesFirst(names []string) []string {
	out := slices.Clone(names)
	slices.SortStableFunc(out, func(a, b string) int {
		return strings.Compare(b[strings.LastIndex(b, "~"):], a[strings.LastIndex(a, "~"):])
	})
	return out
}

// composeChange gives the statements that lead from one set of links to another.
func composeChange(table string, before, after []plan.Link) []string {
	out := compose(table, after)
	for _, name := range updatesFirst(triggerNames(table, before)) {
		if !slices.Contains(triggerNames(table, after), name) {
			out = append(out, "DROP TRIGGER IF EXISTS "+ident(name))
		}
	}
	return out
}

// outOfStep is the one predicate (I2) turned around, as a filter over a table: the
// backfill's, the verification's and the repair's. Without alias the columns stand bare.
func outOfStep(l plan.Link, alias string) string {
	return differs(l, ref(alias, l.Old), ref(alias, l.New))
}

// fillValue is what the backfill writes into the new column. It raises where up does.
func fillValue(l plan.Link, alias string) string { return up(l, ref(alias, l.Old)) }

func ref(alias, column string) string {
	if alias == "" {
		return ident(column)
	}
	return ident(alias) + "." + ident(column)
}

// ownName is the name that the link's expression knows the old column by.
func ownName(l plan.Link) string {
	if l.Shown != "" {
		return l.Shown
	}
	return l.Old
}

func up(l plan.Link, value string) string {
	if l.Up == "" {
		return value
	}
	return "(" + substitute(l.Up, ownName(l), value) + ")"
}

func down(l plan.Link, value string) string {
	if l.Down == "" {
		return value
	}
	return "(" + substitute(l.Down, l.New, value) + ")"
}

// differs: new is not identical to up(old), nor old to down(new); and a null new counts
// only where up(old) is null.
func differs(l plan.Link, old, new string) string {
	if !expresses(l) {
		return "NOT (" + same(l.Type, new, old) + ")"
	}
	upOld, downNew := typed(l.Type, up(l, old)), typed(l.OldType, down(l, new))
	return fmt.Sprintf("NOT (%s OR (%s AND (%s IS NOT NULL OR %s IS NULL)))", same(l.Type, new, upOld), same(l.OldType, old, downNew), new, upOld)
}

// syncBody is a trigger's body: first every down, newest change to oldest, then every
// up, oldest to newest. A trigger for each change would lose writes when a → b → c
// are stacked.
func syncBody(links []plan.Link, insert bool) string {
	var b body
	b.line("BEGIN")
	b.declare(links)
	asked := anyDiffers(links)
	if asked != "" {
		b.line("IF %s THEN", asked)
	}
	for i := len(links) - 1; i >= 0; i-- {
		if !insert || !links[i].Early {
			b.pass(links, i, func(l plan.Link) { b.down(l, insert) })
		}
	}
	for i := range links {
		b.pass(links, i, func(l plan.Link) { b.up(l) })
	}
	if asked != "" {
		b.line("END IF;")
	}
	b.line("END")
	return strings.TrimSpace(b.String())
}

// anyDiffers asks once, in front of both passes, whether a pair is out of step: most
// writes leave every pair in step, and cost a third less so. It is "" where the question
// takes more than one condition.
func anyDiffers(links []plan.Link) string {
	var any []string
	for _, l := range links {
		if l.Swap != "" || expresses(l) {
			return ""
		}
		any = append(any, differs(l, "NEW."+ident(l.Old), "NEW."+ident(l.New)))
	}
	return strings.Join(any, " OR ")
}

// body writes a trigger's body.
type body struct {
	strings.Builder
	depth int
}

func (b *body) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	word, _, _ := strings.Cut(strings.TrimSuffix(text, ";"), " ")
	if word == "END" || word == "ELSE" {
		b.depth--
	}
	b.WriteString(strings.Repeat("  ", b.depth) + text + "\n")
	if word == "BEGIN" || word == "ELSE" || strings.HasSuffix(text, " THEN") {
		b.depth++
	}
}

// swapped is the variable that tells whether what the pair of link i waits for has come.
func swapped(i int) string { return fmt.Sprintf("`phased name %d`", i) }

// declare finds out, for each pair whose old column is about to change its name or whose
// new one is about to be dropped, what is there now. A column that is gone is noticed
// when the instruction is executed.
func (b *body) declare(links []plan.Link) {
	for i, l := range links {
		if l.Swap != "" {
			b.line("DECLARE %s TINYINT DEFAULT 0;", swapped(i))
		}
	}
	for i, l := range links {
		if l.Swap == "" {
			continue
		}
		leaving := l.Show().Old
		switch l.Swap {
		case plan.NameShown:
			leaving = l.Hidden
		case plan.NameGone:
			leaving = l.New
		}
		b.line("BEGIN")
		b.line("DECLARE EXIT HANDLER FOR %d SET %s = 1;", errUnknownColumn, swapped(i))
		b.line("IF NEW.%s IS NULL THEN", ident(leaving))
		b.line("SET %s = 0;", swapped(i))
		b.line("END IF;")
		b.line("END;")
	}
}

// pass writes one pass of link i, under both names while they are swapped. It ends with
// the new column, in one moment: no write of new code finds the column and no sync.
func (b *body) pass(links []plan.Link, i int, write func(plan.Link)) {
	l := links[i]
	if l.Swap == "" {
		write(l)
		return
	}
	leaving, coming := l.Show(), l.Hide()
	if l.Swap == plan.NameShown {
		leaving, coming = coming, leaving
	}
	b.line("IF %s = 0 THEN", swapped(i))
	if l.Swap == plan.NameGone {
		write(l)
		b.line("END IF;")
		return
	}
	write(leaving)
	b.line("ELSE")
	write(coming)
	b.line("END IF;")
}

// down carries what new code wrote to the old side. Written means: the image changed,
// and on INSERT that it differs from the column's own default.
func (b *body) down(l plan.Link, insert bool) {
	old, new := "NEW."+ident(l.Old), "NEW."+ident(l.New)
	written := fmt.Sprintf("NOT (%s)", same(l.Type, new, "OLD."+ident(l.New)))
	if insert {
		written = new + " IS NOT NULL"
		if l.Default != "" {
			written = fmt.Sprintf("NOT (%s)", same(l.Type, new, defaultOf(l)))
		}
	}
	if !expresses(l) {
		b.line("IF %s AND %s THEN", differs(l, old, new), written)
		b.line("SET %s = %s;", old, new)
		b.line("END IF;")
		return
	}
	b.inStep(l, old, new)
	b.line("IF NOT `phased in step` AND %s THEN", written)
	b.line("IF NOT `phased down ok` THEN")
	// New code is refused when old code could not read what it wrote.
	b.line("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = %s;", literal(refusal(l)))
	b.line("END IF;")
	b.line("SET %s = `phased down`;", old)
	b.line("END IF;")
	b.line("END;")
}

// refusal fits into MESSAGE_TEXT, which holds 128 characters.
func refusal(l plan.Link) string {
	text := []rune(fmt.Sprintf("phased: migration %s: the value of %s cannot be carried down to %s, which old code still reads", l.Migration, l.New, ownName(l)))
	return string(text[:min(len(text), 128)])
}

// defaultOf is the new column's default as a value that compares with the column.
func defaultOf(l plan.Link) string {
	if classOf(l.Type) == classText && charset(l.Type) != "" {
		return fmt.Sprintf("CONVERT(%s USING %s)", l.Default, charset(l.Type))
	}
	return l.Default
}

// up carries what old code wrote to the new side, and heals a row that the backfill has
// not reached. Where up raises the row stays out of step: nobody's statement fails
// because of the new side. The verification finds the row and contract stays shut.
func (b *body) up(l plan.Link) {
	old, new := "NEW."+ident(l.Old), "NEW."+ident(l.New)
	if !expresses(l) {
		b.line("IF %s THEN", differs(l, old, new))
		b.line("SET %s = %s;", new, old)
		b.line("END IF;")
		return
	}
	b.inStep(l, old, new)
	b.line("IF NOT `phased in step` AND `phased up ok` THEN")
	b.line("SET %s = `phased up`;", new)
	b.line("END IF;")
	b.line("END;")
}

// inStep opens a block that asks I2 of a link with expressions, and keeps what they
// gave. An expression that raises decides nothing. The caller closes the block.
func (b *body) inStep(l plan.Link, old, new string) {
	b.line("BEGIN")
	b.line("DECLARE `phased up` %s;", l.Type)
	b.line("DECLARE `phased down` %s;", l.OldType)
	b.line("DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;")
	for _, x := range []struct{ name, expr string }{{"phased up", up(l, old)}, {"phased down", down(l, new)}} {
		b.line("BEGIN")
		b.line("DECLARE EXIT HANDLER FOR SQLEXCEPTION SET %s = 0;", ident(x.name+" ok"))
		b.line("SET %s = %s;", ident(x.name), x.expr)
		b.line("END;")
	}
	b.line("SET `phased in step` = (`phased up ok` AND %s) OR (`phased down ok` AND %s AND (%s IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));",
		same(l.Type, new, "`phased up`"), same(l.OldType, old, "`phased down`"), new)
}
