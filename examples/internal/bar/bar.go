// Package bar draws progress: a bar on a terminal, plain lines elsewhere.
package bar

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// every is how often a plain line is printed where there is no terminal.
const every = 5 * time.Second

// Bar is one progress bar. Not for concurrent use.
type Bar struct {
	w     io.Writer
	width int // of the terminal; 0: it is none
	drawn bool
	last  time.Time
}

// New draws on w.
func New(w io.Writer) *Bar {
	b := &Bar{w: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.width = 80
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			b.width = n
		}
	}
	return b
}

// Draw shows a fraction from 0 to 1 between what it is about and what there is to
// say. Without a terminal it prints a line every few seconds.
func (b *Bar) Draw(title string, fraction float64, text string) {
	fraction = min(max(fraction, 0), 1)
	percent := fmt.Sprintf("%3d%%", int(100*fraction))
	if b.width == 0 {
		if time.Since(b.last) >= every {
			b.last = time.Now()
			fmt.Fprintln(b.w, strings.Join([]string{title, percent, text}, "  "))
		}
		return
	}
	line := title + "  [" + Fill(fraction, 24) + "] " + percent + "  " + text
	if r := []rune(line); len(r) >= b.width {
		line = string(r[:b.width-1])
	}
	b.drawn = true
	fmt.Fprint(b.w, "\r\x1b[K"+line)
}

// Clear removes the bar, so that a line can be printed in its place.
func (b *Bar) Clear() {
	if b.drawn {
		fmt.Fprint(b.w, "\r\x1b[K")
		b.drawn = false
	}
}

// Fill is the inside of a bar of that many cells.
func Fill(fraction float64, cells int) string {
	n := int(fraction*float64(cells) + 0.5)
	return strings.Repeat("█", n) + strings.Repeat("░", cells-n)
}
