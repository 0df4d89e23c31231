//go:build !unix

package scratch

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// Binaries are started on Unix only; this is what the rest needs to compile elsewhere.

const noFollow = 0

var errNotHere = errors.New("not on this system")

type account struct{ name string }

func serverAccount(traits) (account, error) { return account{}, errNotHere }

func (account) apply(*exec.Cmd)              {}
func (account) own(string) error             { return errNotHere }
func (account) ownIn(*os.Root, string) error { return errNotHere }
func (account) canEnter(string) bool         { return false }

func tryLock(*os.File) error { return errNotHere }

func bind(*exec.Cmd, syscall.Signal) {}

func onKeeper(start func() error) error { return start() }

func killFamily(*process) error { return errNotHere }
