package bar

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFill(t *testing.T) {
	t.Parallel()
	for fraction, want := range map[float64]string{0: "░░░░", 0.5: "██░░", 0.99: "████", 1: "████"} {
		if got := Fill(fraction, 4); got != want {
			t.Errorf("Fill(%v) is %q, want %q", fraction, got, want)
		}
	}
}

func TestPlainLinesWithoutATerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	b := New(&out)
	b.Draw("fill", 0.25, "1 row")
	b.Draw("fill", 0.26, "2 rows") // too soon for another line
	b.Clear()
	if got, want := out.String(), "fill   25%  1 row\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBarFitsItsTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	b := &Bar{w: &out, width: 40}
	for _, fraction := range []float64{-1, 0.5, 7} {
		out.Reset()
		b.Draw("fill", fraction, strings.Repeat("much to say ", 10))
		line := strings.TrimPrefix(out.String(), "\r\x1b[K")
		if n := utf8.RuneCountInString(line); n >= 40 || strings.Contains(line, "\n") {
			t.Errorf("%v: %d characters on a terminal of 40: %q", fraction, n, line)
		}
	}
	out.Reset()
	if b.Clear(); out.String() != "\r\x1b[K" {
		t.Errorf("Clear wrote %q", out.String())
	}
}
