//go:build unix && !linux

package scratch

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// bind does nothing: only Linux binds a program's life to its parent's. The watchdog does it here.
func bind(*exec.Cmd, syscall.Signal) {}

func onKeeper(start func() error) error { return start() }

// children lists the direct children of a process.
func children(parent int) ([]int, error) {
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, err
	}
	var pids []int
	for line := range strings.Lines(string(out)) {
		var pid, ppid int
		if _, err := fmt.Sscan(line, &pid, &ppid); err == nil && ppid == parent {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func halted(pid int) bool { return strings.ContainsAny(state(pid), "TZ") || state(pid) == "" }
func ended(pid int) bool  { return strings.Contains(state(pid), "Z") || state(pid) == "" }

// state is what ps says about a process, empty when there is none.
func state(pid int) string {
	out, _ := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return strings.TrimSpace(string(out))
}
