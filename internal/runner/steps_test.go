package runner

import (
	"testing"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// Autovacuum gives way to nobody who waits for less than deadlock_timeout (1 s).
func TestLockTimeoutOutwaitsTheDeadlockDetectorBehindAutovacuum(t *testing.T) {
	r := Retry{LockTimeout: 500 * time.Millisecond}
	session, vacuum := engine.Holder{PID: 1}, engine.Holder{PID: 2, Autovacuum: true}
	if got := lockTimeout(engine.StepRun{}, r, []engine.Holder{session}); got != 500*time.Millisecond {
		t.Errorf("behind a session it is %s", got)
	}
	if got := lockTimeout(engine.StepRun{}, r, []engine.Holder{session, vacuum}); got <= time.Second {
		t.Errorf("behind autovacuum it is %s, want more than deadlock_timeout", got)
	}
}

func TestPausesAreBoundedAndSpread(t *testing.T) {
	for try := 1; try < 200; try++ {
		if d := backoff(time.Second, try); d <= 0 || d > 5*time.Second {
			t.Fatalf("pause before try %d is %s", try, d)
		}
	}
	seen := map[time.Duration]bool{}
	for range 100 {
		d := jitter(time.Second)
		if d < time.Second/2 || d > 3*time.Second/2 {
			t.Fatalf("jitter of 1s is %s", d)
		}
		seen[d] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 pauses had %d lengths", len(seen))
	}
}
