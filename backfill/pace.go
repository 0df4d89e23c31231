package backfill

import "time"

// pace finds the number of rows that takes the target time.
type pace struct {
	target   time.Duration
	min, max int
	rows     int           // of the next chunk
	each     time.Duration // moving average for a row; 0: not known yet
}

// firstRows is the size of the first chunk.
const firstRows = 500

func newPace(target time.Duration, min_, max_ int) *pace {
	return &pace{target: target, min: min_, max: max_, rows: max(min_, min(firstRows, max_))}
}

// done learns from a chunk that went through. One chunk at most doubles the next:
// a stretch of rows that had nothing to do says little about what comes.
func (p *pace) done(rows int64, took time.Duration) {
	if rows <= 0 {
		return
	}
	each := took / time.Duration(rows)
	if p.each > 0 {
		each = (2*p.each + each) / 3
	}
	p.each = max(each, 1)
	p.rows = max(p.min, min(int(p.target/p.each), 2*p.rows, p.max))
}

// failed makes chunks smaller: fewer rows are locked, and for a shorter time.
func (p *pace) failed() {
	p.rows = max(p.min, p.rows/2)
	p.each = 0
}

// again starts from the smallest chunk.
func (p *pace) again() { p.rows, p.each = p.min, 0 }
