package contract

import (
	"context"
	"fmt"
	"slices"
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

// orderGate keeps changes that share a column from breaking each other's sync: it is
// composed by name. Stacked renames a → b → c go oldest first.
func orderGate(ctx context.Context, s *subject) (Gate, error) {
	first := func(l plan.Link, why string) (Gate, error) {
		return unmet(fmt.Sprintf("contract %s to its end first, or roll it back", l.Migration), "%s keeps %s.%s in step with %s, %s", l.Migration, l.Table, l.Old, l.New, why)
	}
	for _, l := range s.all {
		if l.Migration == s.row.Name {
			continue
		}
		for _, own := range s.links {
			if l.Schema == own.Schema && l.Table == own.Table && l.New == own.Old {
				return first(l, "the old side here")
			}
		}
		for _, st := range s.p.Migration.Statements {
			t := st.Change.Target()
			if t.Name != l.Table || t.Schema != "" && t.Schema != l.Schema {
				continue
			}
			switch c := st.Change.(type) {
			case plan.DropColumn:
				if c.Column == l.Old || c.Column == l.New || c.Column == l.Shown {
					return first(l, "one of which is dropped here")
				}
			case plan.RenameTable:
				return first(l, "in the table that is renamed here")
			}
		}
	}
	if other, err := s.sharesRenamedTable(ctx); err != nil || other != "" {
		g, _ := unmet(fmt.Sprintf("contract %s to its end first, or roll it back", other), "%s is in flight too, and finds its table by the name that goes here", other)
		return g, err
	}
	return met("no change in flight stands in the way")
}

// sharesRenamedTable names another migration in flight whose steps find a table by
// the name that this one takes away.
func (s *subject) sharesRenamedTable(ctx context.Context) (string, error) {
	names := map[string]bool{}
	for _, st := range s.p.Migration.Statements {
		if c, ok := st.Change.(plan.RenameTable); ok && s.half == HalfHide {
			names[c.From], names[c.To] = true, true
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	ov, err := s.eng.Overview(ctx)
	if err != nil {
		return "", err
	}
	for _, row := range ov.Migrations {
		if row.Name == s.row.Name || !hasOldSide(row) {
			continue
		}
		p, err := s.eng.Plan(ctx, row.Name)
		if err != nil {
			return "", err
		}
		if p == nil {
			continue
		}
		for _, st := range p.Migration.Statements {
			if names[st.Change.Target().Name] {
				return row.Name, nil
			}
		}
	}
	return "", nil
}

func lineGate(_ context.Context, s *subject) (Gate, error) {
	var alive []string
	for _, in := range s.instances {
		if in.Alive && slices.Contains(in.Lines, s.row.Name) {
			alive = append(alive, in.App+" "+in.Version)
		}
	}
	slices.Sort(alive)
	if n := len(alive); n > 0 {
		return met("%s embed the contract line (%s)", count(n, "live instance"), strings.Join(slices.Compact(alive), ", "))
	}
	way := fmt.Sprintf("when the code no longer uses the old side, write `-- phased:contract %s` into its migrations and deploy it", s.row.Name)
	if slices.Contains(s.cfg.Lines, s.row.Name) {
		way = "deploy the build that embeds the line: these migrations have it, no live instance does"
	}
	return unmet(way, "no live instance embeds the line `-- phased:contract %s`", s.row.Name)
}

func registerGate(_ context.Context, s *subject) (Gate, error) {
	var lacking []string
	for _, in := range s.instances {
		if slices.Contains(in.Lines, s.row.Name) || in.SeenAgo >= s.soak {
			continue
		}
		how := "alive, seen"
		switch {
		case in.Stopped:
			how = "stopped"
		case !in.Alive:
			how = "silent, last seen"
		}
		lacking = append(lacking, fmt.Sprintf("%s %s on %s (process %d): %s %s ago", in.App, in.Version, in.Host, in.PID, how, span(in.SeenAgo)))
	}
	if len(lacking) == 0 {
		return met("no instance without the line was seen for %s", span(s.soak))
	}
	return unmet(fmt.Sprintf("replace them by builds with the line, then wait until they have been gone for %s", span(s.soak)),
		"%s without the line:\n%s", count(len(lacking), "instance"), strings.Join(lacking, "\n"))
}

// appsGate asks once in a database's life: who uses it is not yet known from the register.
func appsGate(ctx context.Context, s *subject) (Gate, error) {
	first, seen, err := s.eng.FirstContract(ctx)
	switch {
	case err != nil:
		return Gate{}, err
	case !first:
		return met("it is not the first contract in this database")
	case len(s.cfg.Apps) == 0:
		return unmet("set Config.Apps to all of them, those too that do not register yet", "it is the first contract in this database, and it is not said which applications use it; seen so far: %s", orNone(seen))
	}
	var missing, more []string
	for _, a := range s.cfg.Apps {
		if !slices.Contains(seen, a) {
			missing = append(missing, a)
		}
	}
	for _, a := range seen {
		if !slices.Contains(s.cfg.Apps, a) {
			more = append(more, a)
		}
	}
	switch {
	case len(missing) > 0:
		return unmet("deploy them with this library, so that they register; what cannot register is seen by the gates writes and reads only: leave it out of Config.Apps if that is enough",
			"never seen: %s; seen so far: %s", strings.Join(missing, ", "), orNone(seen))
	case len(more) > 0:
		return unmet("name them in Config.Apps", "seen, and not named in Config.Apps: %s", strings.Join(more, ", "))
	}
	return met("every application was seen: %s", strings.Join(s.cfg.Apps, ", "))
}

func soakGate(_ context.Context, s *subject) (Gate, error) {
	if s.row.HiddenAgo >= s.soak {
		return met("hidden for %s", span(s.row.HiddenAgo))
	}
	return unmet(fmt.Sprintf("wait %s more", span(s.soak-s.row.HiddenAgo)), "hidden for %s of %s", span(s.row.HiddenAgo), span(s.soak))
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
