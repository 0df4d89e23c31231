package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// pairs is how often each measurement is taken with and without.
const pairs = 9

// result is one line of a table.
type result struct {
	name           string
	with, without  []time.Duration
	walWith, walWo float64 // bytes a row
}

// ratios gives the quartiles of with/without, each pair divided by itself.
func (r result) ratios() (p25, median, p75 float64) {
	q := make([]float64, len(r.with))
	for i := range q {
		q[i] = r.with[i].Seconds() / r.without[i].Seconds()
	}
	slices.Sort(q)
	at := func(p float64) float64 { return q[int(p*float64(len(q)-1)+0.5)] }
	return at(0.25), at(0.5), at(0.75)
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

func table(title string, results []result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "ratio\tp25\tp75\twithout\tWAL without\tWAL with\t  %s\n", title)
	for _, r := range results {
		p25, m, p75 := r.ratios()
		fmt.Fprintf(w, "%.2f\t%.2f\t%.2f\t%s\t%.0f B/row\t%.0f B/row\t  %s\n", m, p25, p75, median(r.without).Round(10*time.Microsecond), r.walWo, r.walWith, r.name)
	}
	_ = w.Flush()
	return b.String()
}

// measure runs with and without in turns, the first one changing, and rest between.
func measure(b *testing.B, r *result, rest func(), wal func() int64, rows int, with, without func()) {
	b.Helper()
	time1 := func(f func()) (time.Duration, float64) {
		before, begin := wal(), time.Now()
		f()
		took := time.Since(begin)
		return took, float64(wal()-before) / float64(rows)
	}
	var walWith, walWithout []float64
	with()
	without()
	for i := range pairs {
		rest()
		order := []bool{true, false}
		if i%2 == 1 {
			order = []bool{false, true}
		}
		for _, w := range order {
			if w {
				took, bytes := time1(with)
				r.with, walWith = append(r.with, took), append(walWith, bytes)
			} else {
				took, bytes := time1(without)
				r.without, walWithout = append(r.without, took), append(walWithout, bytes)
			}
		}
	}
	slices.Sort(walWith)
	slices.Sort(walWithout)
	r.walWith, r.walWo = walWith[pairs/2], walWithout[pairs/2]
}
