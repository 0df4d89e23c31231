package myquery

import (
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"
)

// The words that end a column's type, and begin what else a definition says.
var optionWordsOfColumn = []string{"NOT", "NULL", "DEFAULT", "ON", "COMMENT", "COLLATE", "FIRST", "AFTER", "AUTO_INCREMENT", "UNIQUE", "PRIMARY", "KEY",
	"CONSTRAINT", "CHECK", "REFERENCES", "GENERATED", "AS", "COLUMN_FORMAT", "STORAGE", "SERIAL", "AUTO_RANDOM", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"}

// column reads a column's definition. The cursor stands at the column's name.
func column(c *cursor) (*Column, error) {
	name, ok := c.name()
	if !ok {
		return nil, errDiffers
	}
	out := &Column{Name: name, Serial: c.is("SERIAL")}
	out.Type = option(c, c.at)
	for !c.done() {
		from := c.at
		switch {
		case c.take("NOT", "NULL"):
			out.NotNull = true
		case c.take("NULL"):
			out.Null = true
		case c.is("DEFAULT") && out.Default == "":
			out.Default = option(c, c.at+1)
		case c.take("ON", "UPDATE") && out.OnUpdate == "":
			out.OnUpdate = option(c, c.at)
		case c.is("COMMENT") && out.Comment == "":
			out.Comment = option(c, c.at+1)
		case c.is("COLLATE") && out.Collate == "":
			c.take("COLLATE", "=")
			c.take("COLLATE")
			out.Collate = option(c, c.at)
		case c.is("FIRST"), c.is("AFTER"):
			out.Position = c.upper(c.at)
			c.at = len(c.toks)
		default:
			option(c, c.at)
			out.Others = append(out.Others, otherWords(c, from))
		}
	}
	return out, nil
}

// option consumes tokens up to the next option of the column; the first one, which may
// be such a word itself (DEFAULT NULL), is always part of it. It returns their text.
func option(c *cursor, from int) string {
	c.at = from
	for first := true; !c.done(); first = false {
		if !first && slices.Contains(optionWordsOfColumn, c.upper(c.at)) {
			break
		}
		if _, ok := c.group(); !ok {
			c.at++
		}
	}
	return c.slice(from, c.at)
}

// otherWords names an option that has no place in Column, and consumes what belongs to it.
func otherWords(c *cursor, from int) string {
	word := c.upper(from)
	switch word {
	case "PRIMARY", "KEY":
		c.take("KEY")
		return "PRIMARY KEY"
	case "UNIQUE":
		c.take("KEY")
		return "UNIQUE"
	case "GENERATED", "AS":
		for c.is("AS") {
			option(c, c.at)
		}
		return "GENERATED ALWAYS AS"
	case "REFERENCES":
		for c.is("ON") {
			option(c, c.at) // DELETE SET NULL
		}
		c.take("NULL")
		for c.is("DEFAULT") || c.is("ON") {
			option(c, c.at)
		}
		return "REFERENCES"
	case "CONSTRAINT", "CHECK":
		if c.is("CHECK") {
			option(c, c.at)
		}
		if c.is("NOT") && !c.is("NOT", "NULL") {
			option(c, c.at) // ENFORCED
		}
		return "CHECK"
	case "DEFAULT", "ON", "COMMENT", "COLLATE":
		return "a second " + word
	case "SERIAL":
		c.at = min(c.at+1, len(c.toks))
		return "SERIAL DEFAULT VALUE"
	}
	return upperWords(c, from, from+1)
}

// definition writes a column anew.
func (col *Column) definition() string {
	var b strings.Builder
	b.WriteString(quote(col.Name) + " " + col.Type)
	for _, part := range []struct{ word, text string }{{"COLLATE ", col.Collate}, {"DEFAULT ", col.Default}, {"ON UPDATE ", col.OnUpdate}, {"COMMENT ", col.Comment}} {
		if part.text != "" {
			b.WriteString(" " + part.word + part.text)
		}
	}
	if col.NotNull {
		b.WriteString(" NOT NULL")
	}
	if col.Null {
		b.WriteString(" NULL")
	}
	return b.String()
}

// sameColumn reports whether what was cut out of a definition says the same as the
// definition, as far as the parser tells. What has Others is not planned anyway.
func sameColumn(col *Column, def *ast.ColumnDef) bool {
	if !strings.EqualFold(col.Name, def.Name.Name.O) {
		return false
	}
	if len(col.Others) > 0 || col.Serial {
		return true
	}
	stmts, err := Split("ALTER TABLE t ADD COLUMN " + col.definition())
	if err != nil || len(stmts) != 1 {
		return false
	}
	tree, err := stmts[0].parse()
	if err != nil {
		return false
	}
	alter, ok := tree.(*ast.AlterTableStmt)
	return ok && len(alter.Specs) == 1 && len(alter.Specs[0].NewColumns) == 1 && say(alter.Specs[0].NewColumns[0]) == say(def)
}

// say writes a definition with its options in order, without its collation, which the
// parser moves about.
func say(def *ast.ColumnDef) string {
	t := def.Tp.Clone()
	t.SetCollate("")
	parts := []string{restore(t.Restore)}
	for _, o := range def.Options {
		if o.Tp != ast.ColumnOptionCollate {
			parts = append(parts, restore(o.Restore))
		}
	}
	slices.Sort(parts[1:])
	return strings.Join(parts, " ")
}

func restore(f func(*format.RestoreCtx) error) string {
	var b strings.Builder
	if err := f(format.NewRestoreCtx(format.DefaultRestoreFlags, &b)); err != nil {
		return err.Error()
	}
	return b.String()
}
