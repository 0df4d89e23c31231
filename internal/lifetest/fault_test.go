package lifetest

import (
	"context"
	"syscall"
	"time"
)

// faults happen one after the other.
func (l *life) faults() error {
	for _, f := range l.s.Faults {
		time.Sleep(time.Duration(f.After) * time.Millisecond)
		l.mu.Lock()
		var c *child
		if len(l.programs) > 0 {
			c = l.programs[f.Which%len(l.programs)]
		}
		l.mu.Unlock()
		switch {
		case c == nil:
		case f.What == "kill":
			c.kill()
			l.kills++
		case f.What == "stop": // paused for longer than its lease, then it comes back late
			c.signal(syscall.SIGSTOP)
			l.kills++
			time.Sleep(1300 * time.Millisecond)
			c.signal(syscall.SIGCONT)
		}
		if f.What == "cut" {
			// One connection, whosever it is.
			_ = l.f.cut(context.Background(), l.db, f.Which) // it may have been ours
		}
	}
	return nil
}
