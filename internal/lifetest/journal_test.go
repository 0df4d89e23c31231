package lifetest

import (
	"fmt"
	"strings"
)

// entry is something that a program did, as the server wrote it down, in order.
type entry struct {
	program string
	what    entryKind
	detail  string
	token   int64
}

type entryKind string

const (
	entryLease entryKind = "lease" // took the runner's lease, with a token
	entryWork  entryKind = "work"  // a step, a state, or DDL: for the holder of the lease
	entryFill  entryKind = "fill"  // a fill was recorded: its tokens begin again
	entryClaim entryKind = "claim" // took a fill, with a token
	entryChunk entryKind = "chunk" // moved a fill on, under the token that it shows
)

func (e entry) String() string {
	return fmt.Sprintf("%s: %s %d %s", e.program, e.what, e.token, e.detail)
}

// orderly is the other half of I6: what a program does under the lease or a claim
// comes before anything that a later holder does. A program that was stopped and
// comes back late does nothing any more, unless it takes the lease again.
func orderly(all []entry) error {
	holds, claims := map[string]int64{}, map[string]int64{}
	var worked, filled int64
	for i, e := range all {
		bad := ""
		switch e.what {
		case entryLease:
			holds[e.program] = e.token
		case entryWork:
			if holds[e.program] < worked {
				bad = fmt.Sprintf("its lease was %d, and the holder of %d has worked before it", holds[e.program], worked)
			}
			worked = holds[e.program]
		case entryFill:
			filled, claims = 0, map[string]int64{}
		case entryClaim:
			claims[e.program] = e.token
		case entryChunk:
			if e.token != claims[e.program] || e.token < filled {
				bad = fmt.Sprintf("its claim was %d", claims[e.program])
			}
			filled = e.token
		}
		if bad != "" {
			var lines []string
			for _, e := range all[max(0, i-20) : i+1] {
				lines = append(lines, e.String())
			}
			return wrong("a program worked without the lease (%s):\n%s", bad, strings.Join(lines, "\n"))
		}
	}
	if worked == 0 {
		return fmt.Errorf("the journal holds no work")
	}
	return nil
}
