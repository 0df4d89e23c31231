package scratch

import (
	"context"
	"errors"
	"fmt"
)

// Start finds or starts a server as cfg says. With binaries and containers the server is the caller's own, to be
// ended with [Server.Close]; should the process die before, it ends all the same. With a DSN it is the running
// server, shared with whoever else uses it.
//
// It returns an error that wraps [ErrUnavailable] when no source has a server.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, fmt.Errorf("start scratch server: %w", err)
	}
	var missing []error
	for _, s := range sources {
		if cfg.Source != SourceAny && cfg.Source != s.name {
			continue
		}
		server, err := s.start(ctx, cfg)
		var absent *absentError
		switch {
		case err == nil:
			return server, nil
		case errors.As(err, &absent):
			missing = append(missing, err)
		default:
			return nil, fmt.Errorf("start scratch server from %s: %w", s.name, err)
		}
	}
	t := cfg.product.traits()
	return nil, fmt.Errorf("%w: %s: %w; install one (%s), or set %s to the folder of its binaries, or %s to a server whose "+
		"role may create databases, or start Docker", ErrUnavailable, t.name, joinLine(missing...), t.install, t.env.bin, t.env.dsn)
}

// sources in the order in which they are tried.
var sources = []struct {
	name  Source
	start func(context.Context, Config) (*Server, error)
}{
	{SourceDSN, startDSN},
	{SourceBinaries, startBinaries},
	{SourceContainer, startContainer},
}

// absentError says that a source is not there, which is no failure as long as another is.
type absentError struct{ reason string }

func (e *absentError) Error() string { return e.reason }

func startDSN(ctx context.Context, cfg Config) (*Server, error) {
	switch {
	case cfg.DSN == "":
		return nil, &absentError{cfg.product.traits().env.dsn + " is not set"}
	case len(cfg.Settings) > 0:
		return nil, &absentError{"the server behind the DSN cannot be given settings"}
	}
	return connect(ctx, cfg, SourceDSN, cfg.DSN, foreign{})
}

// foreign is a server that somebody else looks after.
type foreign struct{}

func (foreign) close() error { return nil }

// joinLine is errors.Join on one line.
func joinLine(errs ...error) error {
	var all error
	for _, err := range errs {
		if all == nil {
			all = err
		} else {
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return all
}
