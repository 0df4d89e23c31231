package main

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
)

// console is where the command writes. Its errors never show a password.
type console struct {
	out, err io.Writer
	width    int // of the terminal; 0: it is none
	secrets  []string
}

func newConsole(out, err *os.File) *console {
	c := &console{out: out, err: err}
	if term.IsTerminal(int(out.Fd())) {
		c.width = 80
		if w, _, err := term.GetSize(int(out.Fd())); err == nil && w > 0 {
			c.width = w
		}
	}
	return c
}

// masked is an error's text without secrets.
func (c *console) masked(err error) string {
	s := err.Error()
	for _, secret := range c.secrets {
		s = strings.ReplaceAll(s, secret, "*****")
	}
	return s
}

// logger shows warnings, and everything where verbose is set.
func (c *console) logger(verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if err, ok := a.Value.Any().(error); ok {
			return slog.String(a.Key, c.masked(err))
		}
		return a
	}}))
}

// table prints aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, gap string) *table {
	return &table{tabwriter.NewWriter(w, 0, 8, len(gap), ' ', 0)}
}

func (t *table) row(cells ...string) {
	io.WriteString(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t")+"\n")
}

func (t *table) flush() { t.w.Flush() }

// ago says a duration roughly, in the largest unit that tells something.
func ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return "0s"
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	}
	return strings.TrimSuffix(d.Truncate(time.Hour).String(), "0m0s")
}
