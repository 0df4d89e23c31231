package main

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// stats is what a version did and how long it waited.
type stats struct {
	goes atomic.Bool // it is being rolled back: statements that name its column may be turned away

	mu             sync.Mutex
	reads, writes  int
	wrong, unknown int
	errors, away   int
	firstError     error
	longest        time.Duration
	before         time.Duration // the longest while nothing was changed yet
	longestIn      string
	all            []time.Duration
}

func (s *stats) took(d time.Duration, phase string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, d)
	if phase == phaseBefore {
		s.before = max(s.before, d)
	}
	if d > s.longest {
		s.longest, s.longestIn = d, phase
	}
}

func (s *stats) read(d time.Duration, phase string, right bool) {
	s.took(d, phase)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if !right {
		s.wrong++
	}
}

func (s *stats) count(n *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
}

func (s *stats) wrote()      { s.count(&s.writes) }
func (s *stats) lostAnswer() { s.count(&s.unknown) }
func (s *stats) turnedAway() { s.count(&s.away) }

func (s *stats) error(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors++
	if s.firstError == nil {
		s.firstError = err
	}
}

// p99 is what 99 of 100 statements stayed below.
func (s *stats) p99() time.Duration {
	if len(s.all) == 0 {
		return 0
	}
	slices.Sort(s.all)
	return s.all[len(s.all)*99/100]
}

// result is what the demo found out.
type result struct{ acts []*act }

// failed reports whether a statement failed or a row is not what it should be.
func (r *result) failed() bool {
	for _, a := range r.acts {
		if a.differing > 0 {
			return true
		}
		for _, v := range a.versions {
			if v.stats.errors+v.stats.wrong > 0 {
				return true
			}
		}
	}
	return false
}

func (r *result) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "\nRUN\tVERSION\tREADS\tWRITES\tERRORS\tWRONG READS\tUNKNOWN\t99 OF 100 UNDER\tLONGEST\tIN PHASE\tLONGEST BEFORE")
	for _, a := range r.acts {
		for _, v := range a.versions {
			s := &v.stats
			before := "-" // it came later
			if s.before > 0 {
				before = s.before.Round(100 * time.Microsecond).String()
			}
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", a.name, v.name, s.reads, s.writes, s.errors, s.wrong, s.unknown,
				s.p99().Round(100*time.Microsecond), s.longest.Round(100*time.Microsecond), s.longestIn, before)
		}
	}
	t.Flush()
	fmt.Fprintln(w)
	for _, a := range r.acts {
		for _, c := range a.compared {
			fmt.Fprintln(w, c)
		}
		if a.rollback > 0 {
			fmt.Fprintf(w, "%s: the rollback took %s; statements of v2 turned away unwritten, because its column was gone: %d\n",
				a.name, a.rollback.Round(100*time.Microsecond), a.versions[1].stats.away)
		}
	}
	for _, a := range r.acts {
		for _, v := range a.versions {
			if v.stats.firstError != nil {
				fmt.Fprintf(w, "%s: first error of %s: %v\n", a.name, v.name, v.stats.firstError)
			}
		}
	}
	if r.failed() {
		fmt.Fprintln(w, "\nFAILED: statements failed or rows differ")
		return
	}
	fmt.Fprintln(w, "\nno statement failed, no row was lost or differs")
}
