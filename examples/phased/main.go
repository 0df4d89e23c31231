// Command phased plans schema changes and runs their phases, for go:generate, CI
// and the engineer on call. It uses the library's public packages only.
//
//	phased help          lists the verbs
//	phased help VERB     explains one
//
// Exit codes: 0 done, 1 an error or a gate that is not met, 2 bad usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// command is one verb. Setup declares its flags and returns what runs it.
type command struct {
	name  string
	args  string // what follows the flags
	short string // one line, for the list
	long  string
	setup func(fs *flag.FlagSet) func(ctx context.Context, c *console, args []string) error
}

func commands() []*command {
	return []*command{planCommand, baselineCommand, upCommand, backfillCommand, contractCommand,
		rollbackCommand, statusCommand, pauseCommand, resumeCommand}
}

// usageError is a call that cannot be meant: exit code 2.
type usageError struct{ problem string }

func (e usageError) Error() string { return e.problem }

func badUsage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// errNotMet ends with exit code 1; what there is to say has been printed.
var errNotMet = errors.New("not met")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, newConsole(os.Stdout, os.Stderr), os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, c *console, args []string) int {
	if len(args) == 0 {
		overview(c.err)
		return 2
	}
	name, args := args[0], args[1:]
	switch name {
	case "-h", "-help", "--help":
		name, args = "help", nil
	}
	if name == "help" && len(args) == 0 {
		overview(c.out)
		return 0
	}
	if name == "help" {
		name, args = args[0], []string{"-h"}
	}
	i := slices.IndexFunc(commands(), func(cmd *command) bool { return cmd.name == name })
	if i < 0 {
		fmt.Fprintf(c.err, "phased: there is no verb %q\n\n", name)
		overview(c.err)
		return 2
	}
	cmd := commands()[i]
	err := cmd.run(ctx, c, args)
	var bad usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		cmd.help(c.out)
		return 0
	case errors.As(err, &bad):
		fmt.Fprintf(c.err, "phased %s: %s\n`phased help %s` explains it\n", cmd.name, bad.problem, cmd.name)
		return 2
	case errors.Is(err, errNotMet):
		return 1
	case ctx.Err() != nil:
		fmt.Fprintf(c.err, "phased %s: interrupted; running it again goes on where it stopped\n", cmd.name)
		return 1
	}
	fmt.Fprintf(c.err, "phased %s: %s\n", cmd.name, c.masked(err))
	return 1
}

// run reads flags before and behind the arguments alike: at night nobody remembers
// that `contract DIR -dry-run` could mean two things.
func (cmd *command) run(ctx context.Context, c *console, args []string) error {
	fs := cmd.flagSet()
	fn := cmd.setup(fs)
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return usageError{err.Error()}
		}
		if fs.NArg() == 0 {
			break
		}
		if n := len(args) - fs.NArg(); n > 0 && args[n-1] == "--" {
			rest = append(rest, fs.Args()...)
			break
		}
		rest, args = append(rest, fs.Arg(0)), fs.Args()[1:]
	}
	return fn(ctx, c, rest)
}

func (cmd *command) flagSet() *flag.FlagSet {
	fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	return fs
}

func (cmd *command) help(w io.Writer) {
	fs := cmd.flagSet()
	cmd.setup(fs)
	fmt.Fprintf(w, "phased %s [flags] %s\n\n%s\n\nFlags:\n", cmd.name, cmd.args, strings.TrimSpace(cmd.long))
	fs.SetOutput(w)
	fs.PrintDefaults()
}

func overview(w io.Writer) {
	fmt.Fprint(w, `phased changes the schema of a live PostgreSQL, MySQL or MariaDB database in three phases,
each safe on its own and taken back by `+"`phased rollback`"+` until the last one drops the old side:

  up         expand: the new side is added, every write goes to both sides
  backfill   the rows that were there before are carried over, and verified
  contract   the old side is hidden, and later dropped, when every gate allows it

Usage: phased VERB [flags] [arguments]

`)
	t := newTable(w, "  ")
	for _, cmd := range commands() {
		t.row("  "+cmd.name, cmd.short)
	}
	t.flush()
	fmt.Fprint(w, `
The database is named by -dsn, else by PHASED_DSN, else by DATABASE_URL. Behind PgBouncer in
transaction mode, -direct (else PHASED_DIRECT_DSN) names it past the pooler as well.
`+"`phased help VERB`"+` explains a verb. Exit codes: 0 done, 1 error or refused, 2 bad usage.
`)
}

// exactly checks the number of arguments.
func exactly(args []string, names ...string) error {
	if len(args) != len(names) {
		return badUsage("it takes %s, and got %d arguments", strings.Join(names, " and "), len(args))
	}
	return nil
}

// atMostOne checks for one optional argument.
func atMostOne(args []string, name string) (string, error) {
	switch len(args) {
	case 0:
		return "", nil
	case 1:
		return args[0], nil
	}
	return "", badUsage("it takes one %s at most, and got %d arguments", name, len(args))
}
