package contract

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// asking says how much is asked.
type asking int

const (
	askAll     asking = iota // a dry run
	askInOrder               // the expensive question only when every other gate is met
	askCheap                 // everything else once more
)

// question is one question about the migration at hand; the answer lacks its name.
type question struct {
	name    string
	assumed bool // Config.AssumeGone skips it
	drop    bool // of the second half only
	ask     func(context.Context, *subject) (Gate, error)
}

// questions lists the gates in the order in which they are shown and asked, but for
// the verification, which comes last.
var questions = []question{
	{name: "state", ask: stateGate},
	{name: "paused", ask: pausedGate},
	{name: "order", ask: orderGate},
	{name: "line", assumed: true, ask: lineGate},
	{name: "register", assumed: true, ask: registerGate},
	{name: "apps", assumed: true, ask: appsGate},
	{name: "writes", assumed: true, ask: writesGate},
	{name: "reads", assumed: true, ask: readsGate},
	{name: "backfill", ask: backfillGate},
	{name: "sync", ask: syncGate},
	{name: "valid", ask: validGate},
	{name: "dependents", ask: dependentsGate},
	{name: "prepared", ask: preparedGate},
	{name: "soak", assumed: true, drop: true, ask: soakGate},
}

// subject is a migration with what several gates ask about.
type subject struct {
	*contractor
	row       engine.Migration
	p         *plan.Plan
	half      Half
	soak      time.Duration
	instances []engine.Instance
	evidence  []engine.Evidence
	links     []plan.Link // of this migration, under their present names
	all       []plan.Link // of every migration, oldest first
}

// gates asks. The last gate is the verification, except with askCheap.
func (c *contractor) gates(ctx context.Context, row engine.Migration, p *plan.Plan, how asking) ([]Gate, error) {
	s := &subject{contractor: c, row: row, p: p, half: half(row)}
	var err error
	if s.instances, err = c.eng.Instances(ctx); err != nil {
		return nil, err
	}
	s.soak = c.longest(s.instances)
	if s.evidence, err = c.eng.Evidence(ctx, p); err != nil {
		return nil, err
	}
	if how != askAll { // a dry run leaves no trace
		if err := c.eng.Remember(ctx, p, s.evidence); err != nil {
			return nil, err
		}
	}
	if s.all, err = c.eng.Links(ctx, "", ""); err != nil {
		return nil, err
	}
	for _, l := range s.all {
		if l.Migration == row.Name {
			s.links = append(s.links, l)
		}
	}
	var out []Gate
	open := true
	for _, q := range questions {
		if q.drop && s.half != HalfDrop {
			continue
		}
		g, err := q.ask(ctx, s)
		if err != nil {
			return out, fmt.Errorf("gate %s: %w", q.name, err)
		}
		g.Name, g.Skipped = q.name, q.assumed && c.cfg.AssumeGone != ""
		if g.Skipped {
			g.Sentence += " (skipped: " + c.cfg.reason() + ")"
		}
		open = open && g.Open()
		out = append(out, g)
	}
	switch {
	case how == askCheap:
		return out, nil
	case how == askInOrder && !open:
		return append(out, Gate{Name: "verification", Sentence: "not asked yet: it reads the whole table, so the other gates come first", Way: "meet those; a dry run asks it all the same"}), nil
	}
	g, err := verificationGate(ctx, s)
	if err != nil {
		return out, fmt.Errorf("gate verification: %w", err)
	}
	g.Name = "verification"
	return append(out, g), nil
}

// longest is the soak time: never below three lifetimes of a registered instance.
func (c *contractor) longest(instances []engine.Instance) time.Duration {
	soak := c.cfg.Soak
	for _, in := range instances {
		soak = max(soak, 3*in.Lifetime)
	}
	return soak
}

func (c *contractor) soak(ctx context.Context) (time.Duration, error) {
	instances, err := c.eng.Instances(ctx)
	return c.longest(instances), err
}

func met(format string, args ...any) (Gate, error) {
	return Gate{Met: true, Sentence: fmt.Sprintf(format, args...)}, nil
}

func unmet(way, format string, args ...any) (Gate, error) {
	return Gate{Sentence: fmt.Sprintf(format, args...), Way: way}, nil
}

func stateGate(_ context.Context, s *subject) (Gate, error) {
	want := engine.StateVerified
	if s.half == HalfDrop {
		want = engine.StateHidden
	}
	if s.row.State == want {
		return met("it is %s", s.row.State)
	}
	way := "let the backfill finish: run backfill.Work in a replica, or `phased backfill`"
	if s.row.State == engine.StateExpanding {
		way = "let expand finish: any replica's Up goes on"
	}
	return unmet(way, "it is %s, not yet %s", s.row.State, want)
}

func pausedGate(_ context.Context, s *subject) (Gate, error) {
	if s.row.Paused {
		return unmet(fmt.Sprintf("`phased resume %s`", s.row.Name), "it was paused by hand")
	}
	return met("it is not paused")
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// span shows a duration to the second, and short ones as they are.
func span(d time.Duration) string {
	if d >= time.Second {
		d = d.Round(time.Second)
	}
	return d.String()
}
