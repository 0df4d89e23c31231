//go:build unix

package scratch

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

func testFolder(t *testing.T) *folder {
	t.Helper()
	cfg, err := Config{Dialect: plan.DialectMariaDB, Dir: openDir(t), Log: slog.New(slog.DiscardHandler)}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFolder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.remove() })
	return f
}

func TestTemplateGivesTheSameFiles(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{
		"data/empty":       {},
		"data/a/text":      []byte("text"),
		"data/a/holes":     append(append(make([]byte, 100<<10), 'x'), make([]byte, 70<<10)...),
		"data/zeros":       make([]byte, 64<<10),
		"data/block":       bytes.Repeat([]byte{1}, 32<<10),
		"data/a/b/deepest": bytes.Repeat([]byte("ab"), 100<<10),
	}
	from := testFolder(t)
	for name, content := range files {
		path := from.file(name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, content, 0o640)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(from.file("data/auto.cnf"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tmpl := template{filepath.Join(t.TempDir(), "cache", "a.tar.gz")}
	if err := tmpl.unpack(from); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no archive: got %v", err)
	}
	if err := tmpl.pack(from, "auto.cnf"); err != nil {
		t.Fatal(err)
	}
	to := testFolder(t)
	if err := tmpl.unpack(to); err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(to.file(name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, %d bytes, want %d", name, err, len(got), len(want))
		}
		if info, err := os.Stat(to.file(name)); err != nil || info.Mode() != 0o640 || !ownedBy(info, to.owner) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, err := os.Stat(to.file("data/auto.cnf")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("auto.cnf: %v", err)
	}
}

func TestTornTemplateLeavesNothing(t *testing.T) {
	t.Parallel()
	from := testFolder(t)
	path := from.file("data/file")
	content := make([]byte, 300<<10)
	for i := range content {
		content[i] = byte(i * i >> 3)
	}
	if err := errors.Join(os.Mkdir(from.file("data"), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
		t.Fatal(err)
	}
	tmpl := template{filepath.Join(t.TempDir(), "a.tar.gz")}
	if err := tmpl.pack(from); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(tmpl.path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	for name, torn := range map[string][]byte{
		"empty":          nil,
		"half":           whole[:len(whole)/2],
		"no checksum":    whole[:len(whole)-8],
		"other checksum": flipped,
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(tmpl.path, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			to := testFolder(t)
			if err := tmpl.unpack(to); err == nil {
				t.Error("no error")
			}
			if _, err := os.Stat(to.file("data")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("data folder: %v", err)
			}
		})
	}
}

// A server from a template is no copy of another to its replicas.
func TestServersFromATemplateDiffer(t *testing.T) {
	t.Parallel()
	if !Available(plan.DialectMySQL) {
		t.Log("no MySQL at hand: left out")
		return
	}
	seen := map[string]bool{}
	for _, db := range []*Database{MySQL(t), database(t, own(t, plan.DialectMySQL, nil))} {
		var id string
		if err := db.DB.QueryRow(`SELECT @@server_uuid`).Scan(&id); err != nil {
			t.Fatal(err)
		}
		if seen[id] {
			t.Errorf("two servers have the id %s", id)
		}
		seen[id] = true
	}
}
