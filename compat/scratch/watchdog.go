package scratch

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// watchdog is a shell that waits for the end of this process, however it ends, and then ends the server and removes
// its folder. It notices by its standard input, of which this process holds the other end; no other process inherits
// that. It also gets the id of the server's process there, 0 while there is none.
type watchdog struct {
	stdin io.WriteCloser
	done  *process
}

const watchdogScript = `
pid=0
while read -r word; do
	case $word in
	done) exit 0 ;;
	*) pid=$word ;;
	esac
done
n=0
if [ "$pid" -gt 1 ] && kill -"$2" "$pid" 2>/dev/null; then
	# a server that ends by itself removes its file; its process may stay for longer, where nobody waits for it
	while [ -e "$1/$3" ] && kill -0 "$pid" 2>/dev/null && [ $n -lt 50 ]; do
		sleep 0.1
		n=$((n + 1))
	done
fi
rm -rf -- "$1"
`

// newWatchdog starts the watchdog. A machine without a shell does without one; the next process sweeps.
func newWatchdog(f *folder, t traits) *watchdog {
	w := &watchdog{}
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "sh", f.path, strconv.Itoa(int(t.quit)), t.pidFile)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	f.owner.apply(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return w
	}
	if w.done, err = startUnbound(cmd); err != nil {
		stdin.Close()
		return w
	}
	w.stdin = stdin
	return w
}

// guard names the process to end, 0 for none.
func (w *watchdog) guard(pid int) {
	if w.stdin != nil {
		fmt.Fprintln(w.stdin, pid)
	}
}

// dismiss ends the watchdog: nothing is left to guard.
func (w *watchdog) dismiss() {
	if w.stdin != nil {
		fmt.Fprintln(w.stdin, "done")
		w.stdin.Close()
		<-w.done.gone
		w.stdin = nil
	}
}
