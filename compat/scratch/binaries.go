package scratch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// startBinaries starts a server of our own from installed binaries.
func startBinaries(ctx context.Context, cfg Config) (*Server, error) {
	if runtime.GOOS == "windows" {
		return nil, &absentError{"binaries are not started on Windows"}
	}
	bin, err := findBinaries(ctx, cfg.BinDir)
	if err != nil {
		return nil, err
	}
	c, err := newCluster(ctx, cfg, bin)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bin, err)
	}
	s, err := connect(ctx, cfg, SourceBinaries, c.dsn(), c)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return s, nil
}

// findBinaries returns the folder that holds initdb and postgres. A folder that was asked for is taken or refused,
// never replaced by another.
func findBinaries(ctx context.Context, asked string) (string, error) {
	if asked != "" {
		dir, err := filepath.Abs(asked)
		if err != nil {
			return "", err
		}
		if !hasServer(dir) {
			return "", fmt.Errorf("%s holds no initdb and postgres", dir)
		}
		return dir, nil
	}
	for _, dir := range candidates(ctx) {
		if hasServer(dir) {
			return dir, nil
		}
	}
	return "", &absentError{"no initdb and postgres were found by pg_config, on PATH or in the usual folders"}
}

func hasServer(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

func candidates(ctx context.Context) []string {
	var dirs []string
	// pg_config comes with the client library too, so its folder need not hold a server.
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, name := range []string{"initdb", "postgres"} {
		if p, err := exec.LookPath(name); err == nil {
			if p, err = filepath.EvalSymlinks(p); err == nil {
				dirs = append(dirs, filepath.Dir(p))
			}
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",                                                 // Debian, Ubuntu
		"/usr/pgsql-*/bin",                                                          // the project's packages for Red Hat and SUSE
		"/usr/lib/postgresql*/bin",                                                  // SUSE
		"/usr/libexec/postgresql*",                                                  // Alpine
		"/opt/homebrew/opt/postgresql*/bin",                                         // Homebrew
		"/usr/local/opt/postgresql*/bin",                                            // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",                            // Homebrew on Linux
		"/Applications/Postgres.app/Contents/Versions/[0-9]*/bin",                   // Postgres.app
		"/opt/local/lib/postgresql*/bin", "/usr/local/pgsql*/bin", "/usr/local/bin", // MacPorts, from source, BSD
	} {
		found, _ := filepath.Glob(pattern)
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(versionIn(b), versionIn(a)) })
		dirs = append(dirs, found...)
	}
	return dirs
}

var number = regexp.MustCompile(`\d+(\.\d+)?`)

// versionIn is the version that a folder's name carries, 0 for none.
func versionIn(dir string) float64 {
	v, _ := strconv.ParseFloat(number.FindString(dir), 64)
	return v
}

// hasLibrary tells whether the server in bin can load the library.
func hasLibrary(ctx context.Context, bin, name string) bool {
	dirs := []string{filepath.Join(bin, "..", "lib"), filepath.Join(bin, "..", "lib", "postgresql")}
	if out, err := exec.CommandContext(ctx, filepath.Join(bin, "pg_config"), "--pkglibdir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, dir := range dirs {
		for _, ext := range []string{".so", ".dylib"} {
			if _, err := os.Stat(filepath.Join(dir, name+ext)); err == nil {
				return true
			}
		}
	}
	return false
}
