package scratch

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestParseDSN(t *testing.T) {
	type want struct {
		host, user, password, database string
		port                           uint16
	}
	for dsn, w := range map[string]want{
		"postgres://u:p%40@db:7/x?sslmode=disable":                     {"db", "u", "p@", "new", 7},
		"postgresql://u@db/x?dbname=y&sslmode=disable":                 {"db", "u", "", "new", 5432},
		"postgres:///x?host=/run/pg&user=u&port=8":                     {"/run/pg", "u", "", "new", 8},
		"host=db port=7 user=u password=p dbname=x sslmode=disable":    {"db", "u", "p", "new", 7},
		`host = db user='a b' password='it\'s \\ @/?' sslmode=disable`: {"db", "a b", `it's \ @/?`, "new", 5432},
		"host=/run/pg\tuser=ü\n password='' ":                          {"/run/pg", "ü", "", "new", 5432},
	} {
		t.Run(dsn, func(t *testing.T) {
			u, err := parseDSN(dsn)
			if err != nil {
				t.Fatal(err)
			}
			c, err := pgx.ParseConfig(withDatabase(u, "new"))
			if err != nil {
				t.Fatal(err)
			}
			if got := (want{c.Host, c.User, c.Password, c.Database, c.Port}); got != w {
				t.Errorf("got %+v, want %+v", got, w)
			}
		})
	}
}

func TestParseDSNRefuses(t *testing.T) {
	for _, dsn := range []string{"secret", "=x", "a b=c", "host='x", "postgres://[::1", "mysql://x"} {
		t.Run(dsn, func(t *testing.T) {
			if u, err := parseDSN(dsn); err == nil {
				t.Errorf("got %s", u)
			}
		})
	}
}

func FuzzParseKeywords(f *testing.F) {
	f.Add(`host=db user='a b'`)
	f.Add(`a = 'it\'s' b=`)
	f.Fuzz(func(t *testing.T, s string) {
		values, err := parseKeywords(s)
		if err == nil && values == nil {
			t.Errorf("%q: neither values nor an error", s)
		}
	})
}
