package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/phasedb/phased/expand"
	"github.com/phasedb/phased/expand/plan"
)

// directory is every migration of a directory in name order; some are asked for.
type directory struct {
	path  string
	files []*file
}

type file struct {
	path    string
	m       *expand.Migration
	asked   bool
	named   bool         // by itself, not through its directory
	kept    bool         // its plan file stays as it is
	written *expand.Plan // the plan file beside it, where there is a readable one
	plan    *expand.Plan // rendered by this command
}

func (f *file) planPath() string { return strings.TrimSuffix(f.path, ".sql") + ".plan.json" }

// current reports whether the plan file has steps and was made from this text.
func (f *file) current() bool {
	return f.written != nil && f.written.Rendered() && f.written.Migration.Checksum == f.m.Checksum
}

// sameAsWritten compares with the plan file, the server's patch release apart.
func (f *file) sameAsWritten() bool {
	if f.written == nil {
		return false
	}
	was := *f.written
	was.Server = f.plan.Server
	a, erra := was.Encode()
	b, errb := f.plan.Encode()
	return erra == nil && errb == nil && bytes.Equal(a, b)
}

func (d *directory) asked() []*file {
	var out []*file
	for _, f := range d.files {
		if f.asked {
			out = append(out, f)
		}
	}
	return out
}

// readDir reads the directory that the paths name or lie in.
func readDir(parser expand.Parser, paths []string) (*directory, error) {
	d := &directory{}
	var named []string
	all := false
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		dir := filepath.Clean(p)
		switch {
		case info.IsDir():
			all = true
		case filepath.Ext(p) != ".sql":
			return nil, badUsage("%s is neither a directory nor a .sql file", p)
		default:
			named, dir = append(named, filepath.Base(p)), filepath.Dir(p)
		}
		if d.path != "" && d.path != dir {
			return nil, badUsage("the paths lie in two directories, %s and %s: plan one at a time", d.path, dir)
		}
		d.path = dir
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || filepath.Ext(e.Name()) != ".sql" {
			continue
		}
		f, err := readFile(parser, filepath.Join(d.path, e.Name()))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f.named = slices.Contains(named, e.Name())
		f.asked = all || f.named
		d.files = append(d.files, f)
	}
	if len(d.files) == 0 && len(errs) == 0 {
		return nil, badUsage("%s holds no .sql file", d.path)
	}
	sort.Slice(d.files, func(i, j int) bool { return d.files[i].m.Name < d.files[j].m.Name })
	return d, errors.Join(errs...)
}

func readFile(parser expand.Parser, path string) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &file{path: path}
	if f.m, err = parser.Parse(filepath.Base(path), string(text)); err != nil {
		return nil, err
	}
	if raw, err := os.ReadFile(f.planPath()); err == nil {
		f.written, _ = plan.Decode(raw) // one that cannot be read is written anew
	}
	return f, nil
}
