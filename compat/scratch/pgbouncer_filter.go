package scratch

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// filter stands before a PgBouncer that ends when a cancel request reaches it at the wrong moment: 1.18 up to 1.20.0
// (pgbouncer/pgbouncer issues 822 and 847). pgx sends one whenever a context ends during a statement. The filter keeps
// these from it, and passes everything else on; a cancel request may be lost on its way at any time.
type filter struct {
	listener net.Listener
	to       string
}

var pgbouncerVersion = regexp.MustCompile(`PgBouncer (\d+)\.(\d+)\.(\d+)`)

// endsOnCancel tells whether the program is one of those versions.
func endsOnCancel(ctx context.Context, bin string) bool {
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "pgbouncer"), "--version").Output()
	v := pgbouncerVersion.FindSubmatch(out)
	if err != nil || v == nil {
		return false
	}
	number := 0
	for _, part := range v[1:] {
		n, _ := strconv.Atoi(string(part)) // the pattern has only digits
		number = 1000*number + n
	}
	return number >= 1_018_000 && number < 1_020_001
}

// newFilter listens on a port of its own.
func newFilter(to string) (*filter, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	f := &filter{l, to}
	go f.serve()
	return f, nil
}

func (f *filter) address() string { return f.listener.Addr().String() }

func (f *filter) close() error { return f.listener.Close() }

func (f *filter) serve() {
	for {
		client, err := f.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many open files, or a client that has gone
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go f.pass(client)
	}
}

// cancelRequest is the code in the first message of a connection that asks to cancel a statement of another one.
const cancelRequest = 80877102

func (f *filter) pass(client net.Conn) {
	defer client.Close()
	first := make([]byte, 8, 1024) // length and code
	if _, err := io.ReadFull(client, first); err != nil || binary.BigEndian.Uint32(first[4:]) == cancelRequest {
		return
	}
	// The whole message at once: PgBouncer does not wait for the rest of it.
	length := binary.BigEndian.Uint32(first)
	if length < 8 || length > 1<<16 {
		return
	}
	first = append(first, make([]byte, length-8)...)
	if _, err := io.ReadFull(client, first[8:]); err != nil {
		return
	}
	pooler, err := net.Dial("tcp4", f.to)
	if err != nil {
		return
	}
	defer pooler.Close()
	if _, err := pooler.Write(first); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(pooler, client) // either side's end ends both
		client.Close()
		pooler.Close()
	}()
	_, _ = io.Copy(client, pooler)
}
