package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
)

// binary is the command, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "phased-command")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "phased")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the command: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// result is one call of the command.
type result struct {
	args     []string
	out, err string
	code     int
}

func (r result) String() string {
	return fmt.Sprintf("phased %s\nexit code %d\n--- out\n%s--- err\n%s", strings.Join(r.args, " "), r.code, r.out, r.err)
}

// env is a database and a place for the command to work on.
type env struct {
	t       *testing.T
	dialect plan.Dialect
	db      *scratch.Database // nil: none
	dir     string            // of migrations
	add     []string          // to the environment
}

// newEnv makes a database and an empty directory.
func newEnv(t *testing.T) *env {
	t.Helper()
	return newEnvOn(t, plan.DialectPostgres)
}

func newEnvOn(t *testing.T, d plan.Dialect) *env {
	t.Helper()
	return &env{t: t, dialect: d, db: scratch.On(t, d), dir: t.TempDir()}
}

// sources are the variables that hand the test's own scratch server to the command.
var sources = map[plan.Dialect][2]string{
	plan.DialectPostgres: {scratch.EnvDSN, scratch.EnvSource},
	plan.DialectMariaDB:  {scratch.EnvMariaDBDSN, scratch.EnvMariaDBSource},
	plan.DialectMySQL:    {scratch.EnvMySQLDSN, scratch.EnvMySQLSource},
}

// command is a call with PHASED_DSN set to the database; scratch servers come from
// the test's own.
func (e *env) command(args ...string) *exec.Cmd {
	e.t.Helper()
	cmd := exec.CommandContext(e.t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL=", "PHASED_DSN=")
	if e.db != nil {
		server, err := scratch.SharedOf(context.Background(), e.dialect)
		if err != nil {
			e.t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, "PHASED_DSN="+e.db.DSN, sources[e.dialect][0]+"="+server.DSN(), sources[e.dialect][1]+"=dsn")
	}
	if e.db != nil && e.db.Pooled() {
		cmd.Env = append(cmd.Env, "PHASED_DIRECT_DSN="+e.db.Direct())
	}
	cmd.Env = append(cmd.Env, e.add...)
	return cmd
}

// run runs it to its end.
func (e *env) run(args ...string) result {
	e.t.Helper()
	cmd := e.command(args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	r := result{args: args, out: out.String(), err: stderr.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.code = exit.ExitCode()
	} else if err != nil {
		e.t.Fatalf("phased %v: %v", args, err)
	}
	return r
}

// ok wants exit code 0 and each of the texts on standard output.
func (e *env) ok(args []string, want ...string) result {
	e.t.Helper()
	return e.want(0, args, want...)
}

// squeeze makes one blank of several, so that no test depends on the width of a column.
func squeeze(s string) string { return blanks.ReplaceAllString(s, " ") }

var blanks = regexp.MustCompile(" +")

// want wants an exit code and each of the texts on either output.
func (e *env) want(code int, args []string, want ...string) result {
	e.t.Helper()
	r := e.run(args...)
	if r.code != code {
		e.t.Fatalf("want exit code %d\n%s", code, r)
	}
	for _, w := range want {
		if !strings.Contains(squeeze(r.out+r.err), squeeze(w)) {
			e.t.Errorf("want %q\n%s", w, r)
		}
	}
	return r
}

func (e *env) write(name, text string) {
	e.t.Helper()
	if err := os.WriteFile(filepath.Join(e.dir, name), []byte(text), 0o644); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) read(name string) string {
	e.t.Helper()
	b, err := os.ReadFile(filepath.Join(e.dir, name))
	if err != nil {
		e.t.Fatal(err)
	}
	return string(b)
}

func (e *env) exec(query string, args ...any) {
	e.t.Helper()
	if _, err := e.db.DB.ExecContext(e.t.Context(), query, args...); err != nil {
		e.t.Fatalf("%s: %v", query, err)
	}
}

func args(a ...string) []string { return a }

const (
	createUsers = "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL);\n"
	renameEmail = "ALTER TABLE users RENAME COLUMN email TO email_address;\n"
)

// inUse makes a database of which 0001 is done, with rows in it.
func (e *env) inUse() {
	e.t.Helper()
	e.write("0001_users.sql", createUsers)
	e.ok(args("up", e.dir), "0001_users", "complete")
	e.exec(`INSERT INTO users SELECT i, 'user' || i || '@example.com' FROM generate_series(1, 1000) i`)
}
