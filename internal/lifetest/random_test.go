package lifetest

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// seeds is how many lives are tried: few in every run of the tests, many in `make soak`.
func seeds(t *testing.T, few int) int {
	n, err := strconv.Atoi(os.Getenv("PHASED_SOAK_SEEDS"))
	if err != nil {
		return few
	}
	t.Logf("%d seeds", n)
	return n
}

// TestRandomLife draws scenarios and lives through them: I1, I2, I6 and I7 hold.
// A failure prints the shrunk scenario; -rapid.seed repeats the draw.
func TestRandomLife(t *testing.T) { eachFamily(t, randomLives) }

func randomLives(t *testing.T, f family) {
	server := f.server(t)
	for name, value := range map[string]string{"rapid.checks": strconv.Itoa(seeds(t, 8)), "rapid.shrinktime": "20s"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	var lives, kills, rollbacks int
	total := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScenario(rt, f)
		l := &life{t: t, f: f, server: server, s: s}
		lives++
		begin := time.Now()
		err := l.run()
		if os.Getenv("PHASED_SOAK_SEEDS") != "" {
			fmt.Fprintf(os.Stderr, "life %d: %s, %d faults, rollback %t: %v\n", lives, time.Since(begin).Round(time.Millisecond), len(s.Faults), s.Rollback > 0, err)
		}
		if err != nil {
			if os.Getenv("PHASED_SOAK_SEEDS") != "" {
				fmt.Fprintf(os.Stderr, "%+v\n%s\n", s, l.said())
			}
			rt.Fatalf("%v\nscenario: %+v\nprograms said:\n%s", err, s, l.said())
		}
		kills += l.kills
		rollbacks += l.rollbacks
		for _, w := range l.writers {
			for k, n := range w.counts {
				total[k] += n
			}
		}
	})
	t.Logf("%d lives, %d programs killed or stopped, %d rollbacks; transactions: %v", lives, kills, rollbacks, total)
}
