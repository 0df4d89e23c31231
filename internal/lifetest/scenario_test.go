package lifetest

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// shape is a table and the column that is renamed, a to b.
type shape struct {
	Type        string
	Values      []string // what writers write, as text; they differ in their image
	NotNull     bool
	Default     string // a value of Values; empty: none
	Index       bool
	Check       bool
	Partitioned bool
	Unique      bool   // each row has another value
	Foreign     bool   // it refers to a table of all values
	Key         string // bigint, uuid, composite, varchar, auto
}

// scenario is one life, drawn from a seed. A failing one is shrunk to fewer rows,
// writers and faults.
type scenario struct {
	Shape    shape
	Rows     int
	Writers  int
	Seed     int
	Programs int
	Faults   []fault // until the backfill is verified, or rolled back
	// Rollback after so many milliseconds; 0: none. Resume: then once more.
	Rollback int
	Undo     []fault // during the rollback
	Resume   bool
	Contract []fault // during both halves of contract
}

func drawScenario(t *rapid.T, f family) scenario {
	ty := rapid.SampledFrom(f.types()).Draw(t, "type")
	s := scenario{
		Shape: shape{
			Type: ty.name, Values: ty.values,
			NotNull:     rapid.Bool().Draw(t, "not null"),
			Partitioned: rapid.IntRange(0, 3).Draw(t, "partitioned") == 3,
			Key:         rapid.SampledFrom([]string{"bigint", "bigint", "uuid", "composite"}).Draw(t, "key"),
		},
		Rows:     rapid.IntRange(1, 2500).Draw(t, "rows"),
		Writers:  rapid.IntRange(1, 4).Draw(t, "writers"),
		Seed:     rapid.IntRange(0, 1<<30).Draw(t, "seed"),
		Programs: rapid.IntRange(1, 2).Draw(t, "programs"),
	}
	if rapid.Bool().Draw(t, "has default") {
		s.Shape.Default = ty.values[1]
	}
	s.Shape.Index = rapid.Bool().Draw(t, "index")
	s.Shape.Check = rapid.Bool().Draw(t, "check")
	s.Shape = f.allowed(s.Shape)
	if f, ok := f.(own); ok {
		s.Shape = f.choose(t, s.Shape)
	}
	s.Faults = drawFaults(t, f, "faults", 6, 250, "", "expanding", "backfilling")
	if rapid.IntRange(0, 2).Draw(t, "rolls back") == 0 {
		s.Rollback = rapid.IntRange(1, 700).Draw(t, "rollback")
		s.Undo = drawFaults(t, f, "undo", 2, 100, "", "rolling-back")
		s.Resume = rapid.Bool().Draw(t, "resume")
	}
	s.Contract = drawFaults(t, f, "contract", 4, 100, "", "hidden", "dropping")
	return s
}

// drawFaults draws up to most faults, each some time after the one before.
func drawFaults(t *rapid.T, f family, name string, most, pause int, states ...string) []fault {
	var out []fault
	for range rapid.IntRange(0, most).Draw(t, name) {
		out = append(out, fault{
			State: rapid.SampledFrom(states).Draw(t, "state"),
			After: rapid.IntRange(0, pause).Draw(t, "after"),
			What:  rapid.SampledFrom(append(faultKinds, f.faults()...)).Draw(t, "what"),
			Which: rapid.IntRange(0, 7).Draw(t, "which"),
		})
	}
	return out
}

// keyColumns are the key's columns; keyOf makes the key of a number.
func (s shape) keyColumns() string {
	switch s.Key {
	case "composite":
		return "k1, k2"
	default:
		return "k1"
	}
}

func (s shape) keyOf(n int) string {
	switch s.Key {
	case "uuid":
		// Spread over the key's order, so that inserts do not come behind the walk only.
		return fmt.Sprintf("'%08x-0000-4000-8000-%012x'", uint32(n)*2654435761, n)
	case "composite":
		return fmt.Sprintf("%d, 'k%d'", n%7, n)
	case "auto":
		return fmt.Sprint(n + 1) // 0 asks for the next number
	case "varchar":
		return fmt.Sprintf("'k%d'", n)
	}
	return fmt.Sprint(n)
}

// where picks the row of a number.
func (s shape) where(n int) string { return fmt.Sprintf("(%s) = (%s)", s.keyColumns(), s.keyOf(n)) }

// fill inserts the first rows.
func (s scenario) fill(f family) string {
	var rows []string
	for n := range s.Rows {
		rows = append(rows, fmt.Sprintf("(%s, %s, %d)", s.Shape.keyOf(n), f.literal(s.firstValue(n)), n))
	}
	return fmt.Sprintf("INSERT INTO items (%s, a, n) VALUES %s", s.Shape.keyColumns(), strings.Join(rows, ", "))
}

func (s scenario) firstValue(n int) string {
	if s.Shape.Unique {
		return fmt.Sprintf("first %d", n)
	}
	return s.Shape.Values[n%len(s.Shape.Values)]
}
