// Package runner holds the runner's lease and runs the steps of a plan under it:
// the one place where retries of steps are bounded, jittered and logged.
package runner

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"time"

	"github.com/phasedb/phased/internal/engine"
)

// Options are the runner's settings. The zero value of each field but Engine is useful.
type Options struct {
	Engine engine.Engine
	Log    *slog.Logger
	Holder string        // who holds the lease, for people; default host and process id
	TTL    time.Duration // how long the lease outlives its last renewal; default 15 s
	Retry  Retry
}

// Retry bounds how long a step is tried.
type Retry struct {
	LockTimeout time.Duration // replaces each step's own; 0: the step's
	For         time.Duration // how long to keep trying a step that cannot get its lock; default 10 min
	Pause       time.Duration // average pause between tries; default 1 s
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Holder == "" {
		o.Holder = DefaultHolder()
	}
	if o.TTL <= 0 {
		o.TTL = 15 * time.Second
	}
	if o.Retry.For <= 0 {
		o.Retry.For = 10 * time.Minute
	}
	if o.Retry.Pause <= 0 {
		o.Retry.Pause = time.Second
	}
	return o
}

// DefaultHolder names this process: host, process id, and a few random digits.
func DefaultHolder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), hex.EncodeToString(b[:]))
}

// Lease is a held lease.
type Lease struct {
	o     Options
	token int64
}

// Token is the fencing token: every write of the runner's is checked against it.
func (l *Lease) Token() int64 { return l.token }

// Engine is the engine the lease was taken on.
func (l *Lease) Engine() engine.Engine { return l.o.Engine }

// Claim says how to get the lease.
type Claim struct {
	// Force takes the lease from a live holder, whose step in flight is ended.
	Force bool
	// Idle is asked between tries; true means that there is nothing left to do, and
	// Hold returns without having held the lease. Nil: never.
	Idle func(context.Context) (bool, error)
}

// Hold waits for the lease, runs fn under it and gives it back. The lease is
// renewed meanwhile; when it is lost, fn's context ends with engine.ErrLeaseLost.
func Hold(ctx context.Context, o Options, c Claim, fn func(context.Context, *Lease) error) error {
	o = o.withDefaults()
	token, ok, err := acquire(ctx, o, c)
	if err != nil || !ok {
		return err
	}
	l := &Lease{o: o, token: token}
	held, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.renew(held, cancel)
	}()
	err = fn(held, l)
	if cause := context.Cause(held); err != nil && ctx.Err() == nil && cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	cancel(nil)
	<-ended
	// The lease is given back even when ctx is done: the next runner need not wait for it to run out.
	back, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	if rerr := o.Engine.Release(back, token); rerr != nil && err == nil {
		o.Log.Warn("lease not given back; it runs out by itself", "error", rerr, "ttl", o.TTL)
	}
	return err
}

func acquire(ctx context.Context, o Options, c Claim) (int64, bool, error) {
	begin, said := time.Now(), time.Now()
	for fails := 0; ; {
		token, holder, ok, err := o.Engine.Acquire(ctx, o.Holder, o.TTL, c.Force)
		switch {
		case err != nil && (ctx.Err() != nil || fails >= 20 || !(o.Engine.Retryable(err) || o.Engine.Disconnected(err))):
			return 0, false, fmt.Errorf("take the runner's lease: %w", err)
		case err != nil:
			fails++
			o.Log.Debug("lease: trying again", "error", err, "try", fails)
		case ok:
			return token, true, nil
		default:
			fails = 0
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			o.Log.Info("waiting for another runner", "holder", holder, "waited", time.Since(begin).Round(time.Second))
		}
		if err := sleep(ctx, jitter(150*time.Millisecond)); err != nil {
			return 0, false, fmt.Errorf("take the runner's lease, held by %s: %w", holder, err)
		}
		if c.Idle != nil {
			idle, err := c.Idle(ctx)
			if err != nil && !o.Engine.Retryable(err) && !o.Engine.Disconnected(err) {
				return 0, false, err
			}
			if err == nil && idle {
				return 0, false, nil
			}
		}
	}
}

// renew keeps the lease until ctx is done. It gives up when a renewal says that
// the token is another's, or when none went through for a whole TTL.
func (l *Lease) renew(ctx context.Context, lost context.CancelCauseFunc) {
	good := time.Now()
	for {
		if sleep(ctx, l.o.TTL/4) != nil {
			return
		}
		try, stop := context.WithTimeout(ctx, l.o.TTL/2)
		err := l.o.Engine.Renew(try, l.token, l.o.TTL)
		stop()
		switch {
		case err == nil:
			good = time.Now()
		case ctx.Err() != nil:
			return
		case errors.Is(err, engine.ErrLeaseLost), time.Since(good) > l.o.TTL:
			l.o.Log.Warn("lease lost", "error", err)
			lost(engine.ErrLeaseLost)
			return
		default:
			l.o.Log.Warn("lease not renewed, trying again", "error", err)
		}
	}
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// jitter spreads a pause over half to one and a half of it.
func jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(mathrand.Int64N(int64(d)+1))
}
