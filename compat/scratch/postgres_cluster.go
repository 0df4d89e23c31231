package scratch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// find returns the folder that holds initdb and postgres. A folder that was asked for is taken or refused, never
// replaced by another.
func (postgres) find(ctx context.Context, asked string) (string, error) {
	holds := func(dir string) bool {
		return executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres"))
	}
	if asked != "" {
		dir, err := filepath.Abs(asked)
		if err != nil {
			return "", err
		}
		if !holds(dir) {
			return "", fmt.Errorf("%s holds no initdb and postgres", dir)
		}
		return dir, nil
	}
	var dirs []string
	// pg_config comes with the client library too, so its folder need not hold a server.
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	dirs = append(dirs, foldersOnPath("initdb", "postgres")...)
	dirs = append(dirs, newestFirst(
		"/usr/lib/postgresql/*/bin",                                                 // Debian, Ubuntu
		"/usr/pgsql-*/bin",                                                          // the project's packages for Red Hat and SUSE
		"/usr/lib/postgresql*/bin",                                                  // SUSE
		"/usr/libexec/postgresql*",                                                  // Alpine
		"/opt/homebrew/opt/postgresql*/bin",                                         // Homebrew
		"/usr/local/opt/postgresql*/bin",                                            // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",                            // Homebrew on Linux
		"/Applications/Postgres.app/Contents/Versions/[0-9]*/bin",                   // Postgres.app
		"/opt/local/lib/postgresql*/bin", "/usr/local/pgsql*/bin", "/usr/local/bin", // MacPorts, from source, BSD
	)...)
	for _, dir := range dirs {
		if holds(dir) {
			return dir, nil
		}
	}
	return "", &absentError{"no initdb and postgres were found by pg_config, on PATH or in the usual folders"}
}

// initialize makes the data folder. C.UTF-8 sorts by code point everywhere, but not every libc knows it.
func (p postgres) initialize(ctx context.Context, c *cluster) error {
	var err error
	for _, locale := range []string{"C.UTF-8", "C"} {
		var out []byte
		cmd := c.run(ctx, filepath.Join(c.bin, "initdb"),
			"-D", c.data(), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale="+locale)
		if out, err = c.output(cmd); err == nil {
			return p.configure(ctx, c)
		}
		err = fmt.Errorf("initdb: %w: %s", err, tail(out))
		if ctx.Err() != nil || !strings.Contains(string(out), "locale") {
			return err
		}
		if err := os.RemoveAll(c.data()); err != nil {
			return err
		}
	}
	return err
}

func (postgres) configure(ctx context.Context, c *cluster) error {
	settings := c.cfg.settings()
	if _, set := settings["shared_preload_libraries"]; !set && hasLibrary(ctx, c.bin, "pg_stat_statements") {
		settings["shared_preload_libraries"] = "pg_stat_statements"
	}
	settings["listen_addresses"] = "127.0.0.1"
	settings["unix_socket_directories"] = c.folder.path
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for name, value := range sorted(settings) {
		value = strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(value)
		if _, err := fmt.Fprintf(f, "%s = '%s'\n", name, value); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

func (postgres) command(c *cluster) *exec.Cmd {
	return c.run(context.Background(), filepath.Join(c.bin, "postgres"), "-D", c.data(), "-p", strconv.Itoa(c.port))
}

// accepts reads postmaster.pid: first line the process, eighth line its state (since PostgreSQL 10).
func (postgres) accepts(_ context.Context, c *cluster, pid int) bool {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

func (postgres) dsn(c *cluster) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", c.port)
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
