package scratch

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

// bind asks the kernel to send the signal to the program when the thread that started it ends, also when that is by
// SIGKILL. The request is made after the change of account, which would clear it.
func bind(cmd *exec.Cmd, last syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = last
}

// keeper runs functions on one thread that lives as long as the process. A program bound to any other thread would
// end with that thread, which the Go runtime may end any time.
var keeper = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

func onKeeper(start func() error) error {
	result := make(chan error)
	keeper() <- func() { result <- start() }
	return <-result
}

// children lists the direct children of a process.
func children(parent int) ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if s, ok := stat(pid); ok && s.parent == parent && s.state != 'Z' {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// halted tells whether every thread of the process is stopped or has ended: a stop reaches each of them for itself.
func halted(pid int) bool {
	threads, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/[0-9]*/stat")
	for _, path := range threads {
		if s, ok := readStat(path); ok && s.state != 'T' && s.state != 'Z' && s.state != 'X' {
			return false
		}
	}
	return true
}

func ended(pid int) bool {
	s, ok := stat(pid)
	return !ok || s.state == 'Z' || s.state == 'X'
}

type procStat struct {
	state  byte
	parent int
}

// stat reads /proc/PID/stat: the id, the name in parentheses (which may hold anything), the state, the parent.
func stat(pid int) (procStat, bool) { return readStat("/proc/" + strconv.Itoa(pid) + "/stat") }

func readStat(path string) (procStat, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return procStat{}, false
	}
	var s procStat
	i := bytes.LastIndexByte(text, ')')
	if i < 0 {
		return procStat{}, false
	}
	if _, err := fmt.Sscanf(string(text[i+1:]), " %c %d", &s.state, &s.parent); err != nil {
		return procStat{}, false
	}
	return s, true
}
