package contract

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"
)

// tell logs where the migrations stand, once for each change.
func (c *contractor) tell(reports []Report) {
	for _, r := range reports {
		var names []string
		for _, g := range r.Shut() {
			names = append(names, g.Name)
		}
		now := r.State + ": " + strings.Join(names, ", ")
		if c.told[r.Migration] == now {
			c.cfg.Logger.Debug("contract: as before", "migration", r.Migration, "state", r.State, "waits_for", names)
			continue
		}
		c.told[r.Migration] = now
		for _, g := range r.Shut() {
			c.cfg.Logger.Info("contract: gate not met", "migration", r.Migration, "state", r.State, "next", r.Next, "gate", g.Name, "because", g.Sentence, "way", g.Way)
		}
	}
}

// restAfterRefusal is how long Work leaves a table alone that it has read from end to
// end and found out of step.
const restAfterRefusal = time.Hour

// wait pauses for half to one and a half of d, so that replicas spread out.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
