package plan

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"

	"github.com/phasedb/phased/internal/schema"
)

// DiffFacts lists, in words, where the facts of a plan and those of the live
// catalog differ; empty: they are equal.
func DiffFacts(plan, live *schema.Catalog) []string {
	a, b := byName(plan), byName(live)
	names := map[string]bool{}
	for n := range a {
		names[n] = true
	}
	for n := range b {
		names[n] = true
	}
	var out []string
	for _, n := range sorted(names) {
		switch {
		case a[n] == nil:
			out = append(out, fmt.Sprintf("table %s: not in the plan, but in the database", n))
		case b[n] == nil:
			out = append(out, fmt.Sprintf("table %s: in the plan, but not in the database", n))
		default:
			out = diffValue(out, "table "+n, a[n], b[n])
		}
	}
	return out
}

// byName turns a catalog into plain JSON values, lists of named things into maps.
func byName(c *schema.Catalog) map[string]any {
	out := map[string]any{}
	if c == nil {
		return out
	}
	for _, t := range c.Tables {
		raw, err := json.Marshal(t)
		var v any
		if err != nil || json.Unmarshal(raw, &v) != nil {
			continue
		}
		out[t.Schema+"."+t.Name] = named(v)
	}
	return out
}

func named(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = named(x)
		}
		return v
	case []any:
		m := map[string]any{}
		for _, x := range v {
			o, ok := x.(map[string]any)
			name, has := o["name"].(string)
			if table, of := o["table"].(string); of && ok {
				name = table + " " + name
			}
			if !ok || !has {
				return v
			}
			m[name] = named(o)
		}
		return m
	}
	return v
}

func diffValue(out []string, where string, a, b any) []string {
	ma, oka := a.(map[string]any)
	mb, okb := b.(map[string]any)
	if !oka || !okb {
		if !reflect.DeepEqual(a, b) {
			out = append(out, fmt.Sprintf("%s: the plan says %s, the database %s", where, show(a), show(b)))
		}
		return out
	}
	keys := map[string]bool{}
	for k := range ma {
		keys[k] = true
	}
	for k := range mb {
		keys[k] = true
	}
	for _, k := range sorted(keys) {
		out = diffValue(out, where+" "+k, ma[k], mb[k])
	}
	return out
}

func show(v any) string {
	if v == nil {
		return "nothing"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

func sorted(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
