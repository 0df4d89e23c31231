package backfill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/engines"
	"github.com/phasedb/phased/internal/runner"
)

// Work carries on every unfinished backfill until ctx is done, and then returns
// nil; it looks for new ones every Config.Poll. Any number of processes may call it.
// Nothing but a bad Config ends it otherwise: an error is logged, written to the
// backfill's state, and tried again later and later, rows that cannot be written
// every ten minutes.
func Work(ctx context.Context, db *sql.DB, cfg Config) error {
	w, err := newWorker(db, cfg)
	if err != nil {
		return err
	}
	for fails := 0; ctx.Err() == nil; {
		err := w.open(ctx, db)
		if err == nil {
			_, err = w.round(ctx)
		}
		pause := w.cfg.Poll
		if err != nil && ctx.Err() == nil {
			fails++
			pause = min(w.cfg.Poll<<min(fails, 10), maxPause)
			w.cfg.Logger.Warn("backfills not read, trying again", "error", err, "pause", pause)
		} else {
			fails = 0
		}
		_ = sleep(ctx, jitter(pause)) // the loop looks at ctx
	}
	return nil
}

// Run works until nothing is left, and says what it did, also beside an error. It
// waits for other workers and while a migration is paused. A backfill that cannot
// be completed does not keep it from the others; *PoisonError, *ThrottleError and
// errors of single backfills come back joined, when nothing else is left to do.
func Run(ctx context.Context, db *sql.DB, cfg Config) (Report, error) {
	begin := time.Now()
	w, err := newWorker(db, cfg)
	if err != nil {
		return Report{}, err
	}
	w.once = true
	err = w.open(ctx, db)
	for fails := 0; err == nil; {
		var left int
		left, err = w.round(ctx)
		switch {
		case err != nil && fails < w.cfg.Retries && ctx.Err() == nil && w.transient(err):
			fails++
			w.cfg.Logger.Warn("backfills not read, trying again", "error", err, "try", fails)
			err = sleep(ctx, w.backoff(fails))
			continue
		case err == nil && left == 0:
			err = w.failures()
			w.report.Took = time.Since(begin)
			return w.report, err
		case err == nil:
			fails = 0
			err = sleep(ctx, jitter(w.cfg.Poll))
		}
	}
	w.report.Took = time.Since(begin)
	if ctx.Err() != nil {
		err = fmt.Errorf("backfill: stopped with work left: %w", err)
	}
	return w.report, errors.Join(err, w.failures())
}

// worker is one call of Work or Run.
type worker struct {
	cfg    Config
	eng    engine.Engine
	name   string
	once   bool // Run: a backfill that failed is not tried again
	report Report
	failed map[string]*failure // by fill or migration
	order  []string            // of failed
}

// failure is why a fill or a migration was left, and until when.
type failure struct {
	err     error
	tries   int
	until   time.Time
	passing bool // Run waits for it: nothing says that it cannot be done
}

const (
	maxPause    = 5 * time.Minute  // between tries after an error
	poisonPause = 10 * time.Minute // between tries of rows that cannot be written
)

func newWorker(db *sql.DB, cfg Config) (*worker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if db == nil {
		return nil, errors.New("backfill: the database is nil")
	}
	return &worker{cfg: cfg, name: runner.DefaultHolder(), failed: map[string]*failure{}}, nil
}

func (w *worker) open(ctx context.Context, db *sql.DB) error {
	if w.eng != nil {
		return nil
	}
	eng, err := engines.Open(ctx, db, w.cfg.Direct, w.cfg.Logger)
	if err != nil {
		return fmt.Errorf("backfill: %w", err)
	}
	w.eng = eng
	return nil
}

// round looks at every backfill once and carries on what it can. left counts what
// is unfinished and may yet be finished by waiting.
func (w *worker) round(ctx context.Context) (left int, err error) {
	fills, err := w.fills(ctx)
	if err != nil {
		return 0, fmt.Errorf("backfill: %w", err)
	}
	for _, group := range byMigration(fills) {
		blocked := false
		waiting, complete := 0, 0
		for _, f := range group {
			if f.State == engine.FillComplete {
				complete++
				continue
			}
			switch err := w.attempt(ctx, f.ID, func() error { return w.carry(ctx, f) }); {
			case ctx.Err() != nil:
				return 0, ctx.Err()
			case err == nil:
				complete++
			case errors.Is(err, errStopped):
				left++
			case errors.Is(err, errWaiting):
				waiting++
			default:
				blocked = true
			}
		}
		if !blocked { // who waits for one that cannot go on has nothing to wait for
			left += waiting
		}
		if complete == len(group) {
			name := group[0].Migration
			err := w.attempt(ctx, "migration "+name, func() error { return w.settle(ctx, name) })
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if errors.Is(err, errStopped) {
				left++
			}
		}
	}
	return left, nil
}

// attempt does something unless it failed before and its time has not come, and
// remembers how it ended.
func (w *worker) attempt(ctx context.Context, what string, do func() error) error {
	f := w.failed[what]
	if f != nil && time.Now().Before(f.until) {
		if f.passing {
			return errStopped
		}
		return f.err
	}
	err := do()
	switch {
	case err == nil:
		delete(w.failed, what)
	case ctx.Err() != nil, errors.Is(err, errStopped), errors.Is(err, errWaiting):
	default:
		if f == nil {
			f = &failure{}
			w.failed[what] = f
			w.order = append(w.order, what)
		}
		f.err, f.passing = err, false
		f.tries++
		pause := jitter(min(w.cfg.Poll<<min(f.tries, 10), maxPause))
		switch poison := new(PoisonError); {
		case w.once && f.tries < 3 && w.transient(err):
			w.cfg.Logger.Warn("backfill stopped, trying again", "backfill", what, "error", err, "pause", pause)
			f.passing, err = true, errStopped
		case w.once:
			pause = math.MaxInt64 / 2
			w.cfg.Logger.Error("backfill left unfinished", "backfill", what, "error", err)
		default:
			if errors.As(err, &poison) {
				pause = poisonPause
			}
			w.cfg.Logger.Error("backfill stopped, to be tried again", "backfill", what, "error", err, "pause", pause.Round(time.Second))
		}
		f.until = time.Now().Add(pause)
	}
	return err
}

func (w *worker) failures() error {
	var errs []error
	for _, what := range w.order {
		if f := w.failed[what]; f != nil {
			errs = append(errs, f.err)
		}
	}
	return errors.Join(errs...)
}

// fills reads the backfills of migrations that are expanded and not verified.
func (w *worker) fills(ctx context.Context) ([]engine.Fill, error) {
	all, err := w.eng.Fills(ctx)
	if errors.Is(err, engine.ErrNoState) {
		return nil, nil
	}
	var out []engine.Fill
	for _, f := range all {
		if alive(f) && (w.cfg.Migration == "" || f.Migration == w.cfg.Migration) {
			out = append(out, f)
		}
	}
	return out, err
}

func alive(f engine.Fill) bool {
	return (f.Life == engine.StateExpanded || f.Life == engine.StateBackfilling) && f.State != engine.FillCancelled
}

// byMigration groups fills; they come in the order of their migrations.
func byMigration(fills []engine.Fill) [][]engine.Fill {
	var out [][]engine.Fill
	for i, f := range fills {
		if i == 0 || fills[i-1].Migration != f.Migration {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], f)
	}
	return out
}

func (w *worker) transient(err error) bool {
	return w.eng.LockTimeout(err) || w.eng.Retryable(err) || w.eng.Disconnected(err)
}

// backoff grows from the retry pause to 64 times it.
func (w *worker) backoff(try int) time.Duration {
	return jitter(w.cfg.RetryPause << min(max(try-1, 0), 6))
}

// retry does something that can be done twice, as often as a chunk is tried.
func (w *worker) retry(ctx context.Context, what string, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || ctx.Err() != nil || try > w.cfg.Retries || !w.transient(err) {
			return err
		}
		w.cfg.Logger.Warn("trying again", "doing", what, "error", err, "try", try)
		if err := sleep(ctx, w.backoff(try)); err != nil {
			return err
		}
	}
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// jitter spreads a pause over half to one and a half of it.
func jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d)+1))
}
