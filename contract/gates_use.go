package contract

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/phasedb/phased/internal/engine"
)

// The gates that ask whether the old side is still used: the register's word, and
// then the server's. Config.AssumeGone skips them.

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

func (s *subject) seen(kind string) *engine.Evidence {
	for i := range s.evidence {
		if s.evidence[i].Kind == kind {
			return &s.evidence[i]
		}
	}
	return nil
}

func writesGate(_ context.Context, s *subject) (Gate, error) {
	v := s.seen("writes")
	switch {
	case v == nil && len(s.p.Links()) > 0:
		return met("this server does not count writes that come from the old side; statements that write are among those of the gate reads")
	case v == nil:
		return met("no columns are kept in step, so no sync counts writes; statements that write are among those of the gate reads")
	case !v.Available:
		return unmet("put it right, or assume that nobody writes there: Config.AssumeGone", "cannot be told: %s", v.Why)
	case v.ChangedAgo < s.soak:
		return unmet("find who still writes the old column (the sync counts each such write, committed or not), move it over, then wait, with Work or Run looking meanwhile (a dry run remembers nothing); or assume that it is gone: Config.AssumeGone",
			"quiet for %s of %s: a write came from the old side then, or it was looked at for the first time", span(v.ChangedAgo), span(s.soak))
	}
	return met("no write came from the old side for %s", span(v.ChangedAgo))
}

func readsGate(_ context.Context, s *subject) (Gate, error) {
	v := s.seen("reads")
	switch {
	case v == nil:
		return met("no name is taken away")
	case !v.Available:
		return met("nothing speaks against it, but the server cannot tell who reads the old side: %s", v.Why)
	case v.ChangedAgo < s.soak:
		sample := ""
		if v.Sample != "" {
			sample = "; such as: " + v.Sample
		}
		return unmet("find who runs it and move it over, then wait, with Work or Run looking meanwhile; or, where it means another column of that name, assume that the old side is gone: Config.AssumeGone",
			"quiet for %s of %s: a statement that names the old side ran then, or it was looked at for the first time%s", span(v.ChangedAgo), span(s.soak), sample)
	}
	unseen := "SELECT * names nothing"
	if v.Why != "" {
		unseen += "; " + v.Why
	}
	return met("no statement that names the old side ran for %s (%s)", span(v.ChangedAgo), unseen)
}
