package engine

import (
	"fmt"
	"strings"
)

// Error lists every problem with its way out.
func (r *Refused) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "migration %s is refused, nothing was changed:", r.Migration)
	for _, p := range r.Problems {
		b.WriteString("\n  - ")
		if p.Where != "" {
			b.WriteString(p.Where + ": ")
		}
		b.WriteString(p.Text)
		if p.Way != "" {
			b.WriteString("; " + p.Way)
		}
		if p.Accept {
			fmt.Fprintf(&b, "; or accept it: -- phased:accept %s reason=\"…\"", p.Hazard)
		} else if p.Hazard != "" {
			fmt.Fprintf(&b, " [%s]", p.Hazard)
		}
	}
	return b.String()
}

// Error says which build is needed.
func (c *Contracted) Error() string {
	return fmt.Sprintf("the old side of %s is gone from this database, and this build does not declare that it can do without it; "+
		"deploy a build whose migrations contain `-- phased:contract %s`, or take the migration back with rollback while that is possible",
		strings.Join(c.Migrations, ", "), c.Migrations[0])
}

// KeyText shows a key in messages: "(41, 7)"; nil is the beginning.
func KeyText(key []string) string {
	if key == nil {
		return "the beginning"
	}
	return "(" + strings.Join(key, ", ") + ")"
}
