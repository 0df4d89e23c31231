package scratch

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestPostgresGivesEveryTestItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			db := Postgres(t)
			if _, err := db.DB.Exec(`CREATE TABLE mine AS SELECT $1::int AS i`, i); err != nil {
				t.Fatal(err)
			}
			var name string
			var got int
			if err := db.DB.QueryRow(`SELECT current_database(), i FROM mine`).Scan(&name, &got); err != nil {
				t.Fatal(err)
			}
			if name != db.Name || got != i {
				t.Errorf("got database %s with %d, want %s with %d", name, got, db.Name, i)
			}
			if db.Version < 100000 {
				t.Errorf("got version %d", db.Version)
			}
		})
	}
}

func TestPostgresDropsTheDatabase(t *testing.T) {
	t.Parallel()
	var name string
	t.Run("use", func(t *testing.T) {
		db := Postgres(t)
		name = db.Name
		// A connection that is left open must not be in the way.
		if _, err := pgx.Connect(t.Context(), db.DSN); err != nil {
			t.Fatal(err)
		}
	})
	var n int
	if err := Postgres(t).DB.QueryRow(`SELECT count(*) FROM pg_database WHERE datname = $1`, name).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 0 {
		t.Errorf("database %s is still there", name)
	}
}

func TestSharedIsOneServer(t *testing.T) {
	t.Parallel()
	Postgres(t) // skips where there is none
	a, err := Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := Shared(t.Context()); err != nil || a != b {
		t.Errorf("got %p and %p, %v", a, b, err)
	}
}

// stub stands for a test that ends before it began.
type stub struct {
	testing.TB
	skipped, failed string
}

func (s *stub) Helper()           {}
func (s *stub) Skip(args ...any)  { s.skipped = fmt.Sprint(args...) }
func (s *stub) Fatal(args ...any) { s.failed = fmt.Sprint(args...) }

func TestWithoutServer(t *testing.T) {
	absent := fmt.Errorf("%w: nothing anywhere", ErrUnavailable)
	for name, c := range map[string]struct {
		ci   string
		err  error
		fail bool
	}{
		"nothing there":                  {"", absent, false},
		"nothing there, CI says false":   {"false", absent, false},
		"nothing there, CI":              {"true", absent, true},
		"there, but it does not work":    {"", errors.New("initdb: broken"), true},
		"there, but does not work in CI": {"1", errors.New("initdb: broken"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CI", c.ci)
			var s stub
			giveUpOnce(&s, c.err)
			if (s.failed != "") != c.fail || (s.skipped != "") == c.fail {
				t.Errorf("skipped %q, failed %q; want failure %v", s.skipped, s.failed, c.fail)
			}
		})
	}
}

// giveUpOnce stops after the first verdict, as Fatal and Skip of a real test do.
func giveUpOnce(s *stub, err error) {
	defer func() { recover() }()
	giveUp(stopping{s}, err)
}

type stopping struct{ *stub }

func (s stopping) Skip(args ...any)  { s.stub.Skip(args...); panic("end") }
func (s stopping) Fatal(args ...any) { s.stub.Fatal(args...); panic("end") }

func TestStartRefusesBadConfig(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"unknown source":       {Config{Source: "cloud"}, `"cloud" is unknown`},
		"setting name":         {Config{Settings: map[string]string{"a b": "1"}}, `"a b" is not a name`},
		"setting value":        {Config{Settings: map[string]string{"a": "1\nfsync=on"}}, "line break"},
		"settings for a DSN":   {Config{Source: SourceDSN, DSN: "postgres://x/", Settings: map[string]string{"a": "1"}}, "not ours"},
		"DSN cannot be read":   {Config{Source: SourceDSN, DSN: "secret"}, "neither a postgres:// URL nor"},
		"folder has no server": {Config{Source: SourceBinaries, BinDir: t.TempDir()}, "holds no initdb and postgres"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(EnvSource, "")
			_, err := Start(t.Context(), c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want it to say %q", err, c.want)
			}
			if errors.Is(err, ErrUnavailable) {
				t.Errorf("%v passes for a server that is not there", err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%v shows the DSN", err)
			}
		})
	}
}

// eventually polls until ok holds and fails the test when it never does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("never saw that %s", what)
		}
	}
}
