package scratch

import (
	"os/exec"
	"syscall"
)

// process is a started program that is waited for in the background.
type process struct {
	pid  int
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended and err is set
	err  error
}

func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// startProcess starts a program that gets the signal when this process dies, where the system can do that.
func startProcess(cmd *exec.Cmd, last syscall.Signal) (*process, error) {
	bind(cmd, last)
	return start(cmd)
}

// startUnbound starts a program that outlives this process.
func startUnbound(cmd *exec.Cmd) (*process, error) { return start(cmd) }

func start(cmd *exec.Cmd) (*process, error) {
	if err := onKeeper(cmd.Start); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, cmd: cmd, gone: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.gone)
	}()
	return p, nil
}
