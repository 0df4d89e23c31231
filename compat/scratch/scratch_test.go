package scratch

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
)

// atHand are the dialects to test: MySQL only where there is one.
func atHand(t *testing.T) []plan.Dialect {
	t.Helper()
	all := []plan.Dialect{plan.DialectPostgres, plan.DialectMariaDB}
	if !Available(plan.DialectMySQL) {
		t.Log("no MySQL at hand: left out")
		return all
	}
	return append(all, plan.DialectMySQL)
}

// each runs the test on every server at hand.
func each(t *testing.T, test func(*testing.T, plan.Dialect)) {
	for _, d := range atHand(t) {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			test(t, d)
		})
	}
}

var currentDatabase = map[plan.Dialect]string{
	plan.DialectPostgres: `SELECT current_database(), i FROM mine`,
	plan.DialectMariaDB:  `SELECT DATABASE(), i FROM mine`,
	plan.DialectMySQL:    `SELECT DATABASE(), i FROM mine`,
}

func TestEveryTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d plan.Dialect) {
		for i := range 8 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				db := On(t, d)
				if _, err := db.DB.Exec(fmt.Sprintf(`CREATE TABLE mine AS SELECT %d AS i`, i)); err != nil {
					t.Fatal(err)
				}
				var name string
				var got int
				if err := db.DB.QueryRow(currentDatabase[d]).Scan(&name, &got); err != nil {
					t.Fatal(err)
				}
				if name != db.Name || got != i {
					t.Errorf("got database %s with %d, want %s with %d", name, got, db.Name, i)
				}
				if low := map[plan.Dialect]int{plan.DialectPostgres: 130000, plan.DialectMariaDB: 100600, plan.DialectMySQL: 80000}; db.Version < low[d] {
					t.Errorf("got version %d", db.Version)
				}
				if db.Dialect != d {
					t.Errorf("got dialect %s, want %s", db.Dialect, d)
				}
			})
		}
	})
}

func TestDatabaseIsDroppedAtTheEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d plan.Dialect) {
		var name string
		t.Run("use", func(t *testing.T) {
			db := On(t, d)
			name = db.Name
			// A connection that is left open must not be in the way.
			pool, err := products[d].open(db.DSN)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pool.Conn(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		catalog := `SELECT count(*) FROM information_schema.schemata WHERE schema_name = '` + name + `'`
		if d == plan.DialectPostgres {
			catalog = `SELECT count(*) FROM pg_database WHERE datname = '` + name + `'`
		}
		var n int
		if err := On(t, d).DB.QueryRow(catalog).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != 0 {
			t.Errorf("database %s is still there", name)
		}
	})
}

func TestFunctionsOfEachProduct(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d plan.Dialect) {
		f := map[plan.Dialect]func(testing.TB) *Database{
			plan.DialectPostgres: Postgres, plan.DialectMariaDB: MariaDB, plan.DialectMySQL: MySQL,
		}[d]
		if got := f(t).Dialect; got != d {
			t.Errorf("got a database of %s, want %s", got, d)
		}
	})
}

func TestSharedIsOneServer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d plan.Dialect) {
		On(t, d) // skips where there is none
		a, err := SharedOf(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := SharedOf(t.Context(), d); err != nil || a != b {
			t.Errorf("got %p and %p, %v", a, b, err)
		}
		if a.Dialect() != d {
			t.Errorf("got %s, want %s", a.Dialect(), d)
		}
		if d == plan.DialectPostgres {
			if b, err := Shared(t.Context()); err != nil || a != b {
				t.Errorf("got %p and %p, %v", a, b, err)
			}
		}
	})
}

func TestAvailable(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	for _, name := range []string{EnvMySQLSource, EnvMySQLDSN, EnvMySQLBin, EnvMySQLImage} {
		t.Setenv(name, "")
	}
	found, err := (mysql{}).find(t.Context(), "")
	if got := Available(plan.DialectMySQL); got != (err == nil) {
		t.Errorf("got %v, found %q, %v", got, found, err)
	}
	for _, name := range []string{EnvMySQLSource, EnvMySQLDSN, EnvMySQLBin, EnvMySQLImage} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "something that does not work")
			if !Available(plan.DialectMySQL) {
				t.Error("what is set and does not work is left out instead of failing")
			}
		})
	}
	if Available("oracle") {
		t.Error("an unknown dialect is available")
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
		"unknown dialect":      {Config{Dialect: "oracle"}, `"oracle" is unknown`},
		"mariadb: name":        {Config{Dialect: plan.DialectMariaDB, Settings: map[string]string{"-a": "1"}}, `"-a" is not a name`},
		"mariadb: settings":    {Config{Dialect: plan.DialectMariaDB, Source: SourceDSN, DSN: "x@/", Settings: map[string]string{"a": "1"}}, "not ours"},
		"mariadb: DSN":         {Config{Dialect: plan.DialectMariaDB, Source: SourceDSN, DSN: "secret"}, "not of the form user:password@"},
		"mariadb: folder":      {Config{Dialect: plan.DialectMariaDB, Source: SourceBinaries, BinDir: t.TempDir()}, "holds no mariadbd"},
		"mysql: folder":        {Config{Dialect: plan.DialectMySQL, Source: SourceBinaries, BinDir: t.TempDir()}, "holds no mysqld"},
		"mysql: no DSN":        {Config{Dialect: plan.DialectMySQL, Source: SourceDSN}, EnvMySQLDSN},
		"setting name":         {Config{Settings: map[string]string{"a b": "1"}}, `"a b" is not a name`},
		"setting value":        {Config{Settings: map[string]string{"a": "1\nfsync=on"}}, "line break"},
		"settings for a DSN":   {Config{Source: SourceDSN, DSN: "postgres://x/", Settings: map[string]string{"a": "1"}}, "not ours"},
		"DSN cannot be read":   {Config{Source: SourceDSN, DSN: "secret"}, "neither a postgres:// URL nor"},
		"folder has no server": {Config{Source: SourceBinaries, BinDir: t.TempDir()}, "holds no initdb and postgres"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{EnvSource, EnvMariaDBSource, EnvMySQLSource, EnvMySQLDSN} {
				t.Setenv(name, "")
			}
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
