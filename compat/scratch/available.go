package scratch

import (
	"context"
	"os"
	"time"

	"github.com/phasedb/phased/expand/plan"
)

// Available tells whether a server of the dialect is at hand without a container being pulled for it: one of its
// environment variables is set, or its binaries are on this machine.
//
// It is for tests over all servers where CI counts a skipped test as failed. They leave MySQL out where there is none,
// and log that; PostgreSQL and MariaDB are always wanted. What is set but does not work counts as available, so that the
// test fails.
func Available(d plan.Dialect) bool {
	p, err := productOf(d)
	if err != nil {
		return false
	}
	e := p.traits().env
	for _, name := range []string{e.source, e.dsn, e.bin, e.image} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = p.find(ctx, "")
	return err == nil
}
