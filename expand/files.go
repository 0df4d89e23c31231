package expand

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// source is one migration as a build knows it.
type source struct {
	name     string
	checksum string
	m        *Migration
	plan     *Plan // as committed beside the file; nil: none
	target   map[string]bool
}

// load reads every migration of the directory and of cfg, in name order. Every bad
// file is reported, not only the first.
func load(fsys fs.FS, cfg Config) ([]*source, error) {
	byName := map[string]*source{}
	var errs []error
	if fsys != nil {
		dir, files, err := list(fsys, cfg.Dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			s, err := loadFile(fsys, dir, f, cfg.Parser)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			byName[s.name] = s
		}
	}
	for _, m := range cfg.Migrations {
		s, err := fromValue(m)
		switch {
		case err != nil:
			errs = append(errs, err)
		case byName[s.name] != nil:
			errs = append(errs, fmt.Errorf("migration %s is given twice: as a file and as a Go value", s.name))
		default:
			byName[s.name] = s
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	out := make([]*source, 0, len(byName))
	for _, s := range byName {
		s.target = targets(s.m)
		out = append(out, s)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out, checkLines(out)
}

const planSuffix = ".plan.json"

// list finds the directory and its .sql files, and plan files without one.
func list(fsys fs.FS, dir string) (string, []string, error) {
	found, given := dir, dir != ""
	if !given {
		found = "."
	}
	entries, err := fs.ReadDir(fsys, found)
	if err != nil {
		return "", nil, fmt.Errorf("read the migrations: %w", err)
	}
	sql, plans := names(entries)
	if !given && len(sql) == 0 {
		if inner, err := fs.ReadDir(fsys, "migrations"); err == nil {
			found = "migrations"
			sql, plans = names(inner)
		}
	}
	for p := range plans {
		if !sql[p] {
			return "", nil, fmt.Errorf("%s%s has no %s.sql beside it; remove it or put the file back", p, planSuffix, p)
		}
	}
	out := make([]string, 0, len(sql))
	for s := range sql {
		out = append(out, s)
	}
	sort.Strings(out)
	return found, out, nil
}

func names(entries []fs.DirEntry) (sql, plans map[string]bool) {
	sql, plans = map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if n, ok := strings.CutSuffix(e.Name(), ".sql"); ok {
			sql[n] = true
		}
		if n, ok := strings.CutSuffix(e.Name(), planSuffix); ok {
			plans[n] = true
		}
	}
	return sql, plans
}

func loadFile(fsys fs.FS, dir, name string, parser Parser) (*source, error) {
	file := name + ".sql"
	text, err := fs.ReadFile(fsys, path.Join(dir, file))
	if err != nil {
		return nil, fmt.Errorf("read migration: %w", err)
	}
	s := &source{name: name, checksum: plan.Checksum(string(text))}
	raw, err := fs.ReadFile(fsys, path.Join(dir, name+planSuffix))
	switch {
	case err == nil:
		if s.plan, err = plan.Decode(raw); err != nil {
			return nil, fmt.Errorf("%s%s: %w", name, planSuffix, err)
		}
		if s.plan.Migration.Name != name {
			return nil, fmt.Errorf("%s%s is the plan of %s; plan again with `phased plan -write`", name, planSuffix, s.plan.Migration.Name)
		}
		if s.plan.Migration.Checksum != s.checksum {
			return nil, &InputError{File: file, Problem: fmt.Sprintf("it changed after its plan was written (the file is %s, the plan was made from %s)", short(s.checksum), short(s.plan.Migration.Checksum)),
				Way: "plan again with `phased plan -write` and review the difference"}
		}
		s.m = &s.plan.Migration
		s.m.SQL = string(text)
		if !s.plan.Rendered() {
			s.plan = nil
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read plan: %w", err)
	case parser == nil:
		return nil, &InputError{File: file, Problem: "it has no plan file, and this build has no SQL parser", Way: "run `phased plan -write`, or set Config.Parser to the parser of expand/postgres or expand/mysql"}
	default:
		if s.m, err = parser.Parse(file, string(text)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func fromValue(m *Migration) (*source, error) {
	if m == nil || m.Name == "" {
		return nil, errors.New("a migration written as a Go value needs a Name")
	}
	if len(m.Statements) == 0 && len(m.Directives.Contracts) == 0 {
		return nil, fmt.Errorf("migration %s says nothing: no statement and no contract line", m.Name)
	}
	for i, s := range m.Statements {
		if s.Change == nil {
			return nil, fmt.Errorf("migration %s: statement %d has no change", m.Name, i+1)
		}
	}
	copied := *m
	raw, err := (&Plan{Format: plan.Format, Migration: Migration{Name: m.Name, Statements: m.Statements, Directives: m.Directives}}).Encode()
	if err != nil {
		return nil, err
	}
	copied.Checksum = plan.Checksum(string(raw))
	return &source{name: m.Name, checksum: copied.Checksum, m: &copied}, nil
}

// checkLines refuses a contract line that comes before the migration it names.
func checkLines(all []*source) error {
	for _, s := range all {
		for _, line := range s.m.Directives.Contracts {
			if line > s.name {
				return &InputError{File: s.name + ".sql", Problem: fmt.Sprintf("its contract line names %s, which comes later", line), Way: "put the line into that migration's own file or a later one"}
			}
		}
	}
	return nil
}

// lines lists the contract lines that a build embeds.
func lines(all []*source) []string {
	seen := map[string]bool{}
	out := []string{}
	for _, s := range all {
		for _, l := range s.m.Directives.Contracts {
			if !seen[l] {
				seen[l] = true
				out = append(out, l)
			}
		}
	}
	sort.Strings(out)
	return out
}

// targets are the bare names of the tables that a migration is about.
func targets(m *Migration) map[string]bool {
	out := map[string]bool{}
	for _, s := range m.Statements {
		out[s.Change.Target().Name] = true
		if c, ok := s.Change.(RenameTable); ok {
			out[c.To] = true
		}
	}
	return out
}

// short shows enough of a checksum to tell two apart.
func short(sum string) string {
	if len(sum) > 19 {
		return sum[:19] + "…"
	}
	return sum
}
