// Command rename shows the whole life of a renamed column beside two versions of a
// service that both work all the time:
//
//	go run ./examples/rename [-db postgres|mariadb|mysql]
//
// It starts a server of its own, fills a table, lets version 1 (which knows
// users.email) and version 2 (which knows users.email_address) read and write, and
// renames the column under them: expand, backfill, contract. Then it begins anew and
// rolls back in the middle. Every acknowledged write is in a journal outside of the
// database; in the end every row has to say what its journal says.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/phasedb/phased/compat/scratch"
)

type options struct {
	family *family
	dsn    string
	rows   int64
	lanes  int
	rate   int
	alone  time.Duration // how long a phase is watched in which nothing else happens
}

func main() {
	o := options{}
	db := flag.String("db", "postgres", "the kind of `server`: postgres, mariadb or mysql")
	flag.StringVar(&o.dsn, "dsn", "", "a server to make two databases on, by an account that may; default: a scratch server of its own")
	flag.Int64Var(&o.rows, "rows", 500_000, "rows in the table")
	flag.IntVar(&o.lanes, "clients", 4, "clients that send statements")
	flag.IntVar(&o.rate, "rate", 600, "statements a second, of all clients together")
	flag.DurationVar(&o.alone, "watch", 2*time.Second, "how long to watch the load between two phases")
	flag.Parse()
	if o.family = families[*db]; o.family == nil {
		fmt.Fprintf(os.Stderr, "rename: -db %s: it is postgres, mariadb or mysql\n", *db)
		os.Exit(2)
	}
	if flag.NArg() > 0 || o.rows < 1000 || o.lanes < 1 || o.rate < o.lanes {
		fmt.Fprintln(os.Stderr, "rename: no arguments; at least 1000 rows, 1 client, and a statement a second for each client")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	r, err := demo(ctx, os.Stdout, o)
	stop()
	if r != nil {
		r.print(os.Stdout)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "rename:", err)
		os.Exit(1)
	case r.failed():
		os.Exit(1)
	}
}

// demo gets a server and plays on it.
func demo(ctx context.Context, w io.Writer, o options) (*result, error) {
	cfg := scratch.Config{Dialect: o.family.dialect, Pooler: scratch.PoolerNone} // its clients keep prepared statements
	if o.dsn != "" {
		cfg.Source, cfg.DSN = scratch.SourceDSN, o.dsn
	}
	begin := time.Now()
	server, err := scratch.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	fmt.Fprintf(w, "%s %s is up after %s\n", o.family.name, o.family.release(server.Version()), time.Since(begin).Round(time.Millisecond))
	return play(ctx, w, server, o)
}

// play plays both acts and says what became of the load.
func play(ctx context.Context, w io.Writer, server *scratch.Server, o options) (*result, error) {
	r := &result{}
	for _, p := range []struct {
		name, title string
		act         func(context.Context, *act) error
	}{
		{"rename", "the whole life: expand, backfill, contract", renameAct},
		{"rollback", "once more, with a rollback in the middle of the backfill", rollbackAct},
	} {
		fmt.Fprintf(w, "\n=== %s ===\n", p.title)
		a, err := newAct(ctx, w, server, p.name, o)
		if err != nil {
			return r, err
		}
		r.acts = append(r.acts, a)
		err = p.act(ctx, a)
		a.close(ctx)
		if err != nil {
			return r, err
		}
	}
	return r, nil
}
