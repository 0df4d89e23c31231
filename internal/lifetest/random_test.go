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
	server := f.ownServer(t)
	for name, value := range map[string]string{"rapid.checks": strconv.Itoa(seeds(t, 5)), "rapid.shrinktime": "20s"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	lives := 0
	total, happened, states := map[string]int{}, map[string]int{}, map[string]int{}
	var longest, slow time.Duration
	soak := os.Getenv("PHASED_SOAK_SEEDS") != ""
	rapid.Check(t, func(rt *rapid.T) {
		l := &life{t: t, f: f, server: server, s: drawScenario(rt, f)}
		lives++
		begin := time.Now()
		err := l.run(l.change)
		if soak {
			fmt.Fprintf(os.Stderr, "life %d: %s, %v, longest wait %s (%s beside): %v\n", lives, time.Since(begin).Round(time.Millisecond), l.happened,
				l.reader.longest.Round(time.Millisecond), l.reader.slow.Round(time.Millisecond), err)
		}
		if err != nil {
			said := l.said()
			if soak {
				fmt.Fprintf(os.Stderr, "%+v\n%s\n", l.s, said)
			}
			rt.Fatalf("%v\nscenario: %+v\nprograms said:\n%s", err, l.s, said)
		}
		for k, n := range l.happened {
			happened[k] += n
		}
		for k, n := range l.states {
			states[k] += n
		}
		for _, w := range l.writers {
			for k, n := range w.counts {
				total[k] += n
			}
		}
		longest, slow = max(longest, l.reader.longest), max(slow, l.reader.slow)
	})
	t.Logf("%d lives; faults: %v, in states %v; transactions: %v; the longest wait of a reader was %s (%s beside)", lives, happened, states, total, longest.Round(time.Millisecond), slow.Round(time.Millisecond))
}
