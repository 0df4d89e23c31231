package bench

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// pairs is how often each measurement is taken with and without.
const pairs = 9

// result is one line of a table.
type result struct {
	name           string
	with, without  []time.Duration
	cpu            []float64 // with/without, of the server's process; empty where that cannot be read
	logWith, logWo float64   // bytes a row of the server's redo log
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

// cpuRatio is the median of the processor time's ratios.
func (r result) cpuRatio() string {
	if len(r.cpu) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", slices.Sorted(slices.Values(r.cpu))[len(r.cpu)/2])
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// table draws results; log is the server's word for its redo log.
func table(title, log string, results []result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "ratio\tp25\tp75\tCPU ratio\twithout\t%[1]s without\t%[1]s with\t  %[2]s\n", log, title)
	for _, r := range results {
		p25, m, p75 := r.ratios()
		fmt.Fprintf(w, "%.2f\t%.2f\t%.2f\t%s\t%s\t%.0f B/row\t%.0f B/row\t  %s\n", m, p25, p75, r.cpuRatio(), median(r.without).Round(10*time.Microsecond), r.logWo, r.logWith, r.name)
	}
	_ = w.Flush()
	return b.String()
}

// server asks the server's process, or its thread for the connection, for its counters.
type server struct {
	log func() int64         // bytes written so far
	cpu func() time.Duration // processor time so far; 0: not known
}

// processorTime reads what the process or thread has used, where the system tells (Linux).
func processorTime(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		return 0
	}
	used, _, _ := strings.Cut(string(b), " ")
	ns, _ := strconv.ParseInt(used, 10, 64)
	return time.Duration(ns)
}

// measure runs with and without in turns, the first one changing, with rest before
// each pair.
func measure(r *result, s server, rest func(), rows int, with, without func()) {
	type cost struct {
		took, cpu time.Duration
		log       float64
	}
	one := func(f func()) (c cost) {
		log, cpu, begin := s.log(), s.cpu(), time.Now()
		f()
		c.took = time.Since(begin)
		c.cpu = s.cpu() - cpu
		c.log = float64(s.log()-log) / float64(rows)
		return c
	}
	var logWith, logWithout []float64
	rest()
	with()
	without()
	for i := range pairs {
		rest()
		var a, b cost
		if i%2 == 0 {
			a = one(with)
			b = one(without)
		} else {
			b = one(without)
			a = one(with)
		}
		r.with, r.without = append(r.with, a.took), append(r.without, b.took)
		logWith, logWithout = append(logWith, a.log), append(logWithout, b.log)
		if a.cpu > 0 && b.cpu > 0 {
			r.cpu = append(r.cpu, a.cpu.Seconds()/b.cpu.Seconds())
		}
	}
	slices.Sort(logWith)
	slices.Sort(logWithout)
	r.logWith, r.logWo = logWith[pairs/2], logWithout[pairs/2]
}
