package scratch

import (
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

// others are the servers beside PostgreSQL that are at hand.
func others(t *testing.T) []plan.Dialect {
	t.Helper()
	if !Available(plan.DialectMySQL) {
		t.Log("no MySQL at hand: left out")
		return []plan.Dialect{plan.DialectMariaDB}
	}
	return []plan.Dialect{plan.DialectMariaDB, plan.DialectMySQL}
}

func TestKillAndRestartKeepCommitsOfOthers(t *testing.T) {
	t.Parallel()
	for _, d := range others(t) {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			s := PostgresServer(t, Config{Dialect: d, Source: SourceBinaries})
			db := database(t, s)
			if _, err := db.DB.Exec(`CREATE TABLE t (i int PRIMARY KEY)`); err != nil {
				t.Fatal(err)
			}
			if _, err := db.DB.Exec(`INSERT INTO t VALUES (1)`); err != nil {
				t.Fatal(err)
			}
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			var n int
			if err := db.DB.QueryRow(`SELECT count(*) FROM t`).Scan(&n); err != nil || n != 1 {
				t.Fatal(n, err)
			}
		})
	}
}
