package backfill

import (
	"testing"
	"time"
)

func TestPaceFindsTheTarget(t *testing.T) {
	t.Parallel()
	p := newPace(100*time.Millisecond, 10, 50000)
	if p.rows != firstRows {
		t.Fatalf("begins with %d rows", p.rows)
	}
	var sizes []int
	for range 30 {
		p.done(int64(p.rows), time.Duration(p.rows)*50*time.Microsecond) // 2000 rows fit
		sizes = append(sizes, p.rows)
	}
	if got := p.rows; got < 1900 || got > 2100 {
		t.Errorf("settles at %d rows (%v), want about 2000", got, sizes)
	}
	for range 30 {
		p.done(int64(p.rows), time.Duration(p.rows)*500*time.Microsecond) // the load has grown: 200
		sizes = append(sizes, p.rows)
	}
	if got := p.rows; got < 190 || got > 210 {
		t.Errorf("settles at %d rows (%v), want about 200", got, sizes)
	}
}

func TestPaceBounds(t *testing.T) {
	t.Parallel()
	p := newPace(100*time.Millisecond, 10, 1500)
	before := p.rows
	p.done(int64(p.rows), time.Microsecond) // rows that had nothing to do
	if p.rows != 2*before {
		t.Errorf("grows from %d to %d in one chunk, want to double", before, p.rows)
	}
	p.done(int64(p.rows), time.Microsecond)
	if p.rows != 1500 {
		t.Errorf("grows to %d rows, want MaxRows", p.rows)
	}
	p.failed()
	if p.rows != 750 {
		t.Errorf("is %d rows after a failure, want half", p.rows)
	}
	for range 10 {
		p.failed()
	}
	if p.rows != 10 {
		t.Errorf("shrinks to %d rows, want MinRows", p.rows)
	}
	p.done(10, time.Hour)
	if p.rows != 10 {
		t.Errorf("is %d rows after a slow chunk, want MinRows", p.rows)
	}
	p.done(0, time.Second) // a chunk whose rows are gone
	p.again()
	if p.rows != 10 {
		t.Errorf("starts again with %d rows", p.rows)
	}
	if small := newPace(time.Second, 1, 100); small.rows != 100 {
		t.Errorf("begins with %d rows, above MaxRows", small.rows)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"Target": {Target: -1}, "Poll": {Poll: 1}, "Lease": {Lease: time.Millisecond}, "MinRows": {MinRows: 10, MaxRows: 5},
		"Retries": {Retries: -1}, "Throttles": {Throttles: []Throttle{nil}},
	} {
		if _, err := c.withDefaults(); err == nil {
			t.Errorf("a bad %s is taken", name)
		}
	}
	c, err := Config{MinRows: 100000}.withDefaults()
	if err != nil || c.MaxRows != 100000 {
		t.Errorf("MaxRows %d, %v", c.MaxRows, err)
	}
}
