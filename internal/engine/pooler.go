package engine

import "fmt"

// PoolerError says that a step needs a session of its own, and that there is none to
// be had. Nothing was changed.
type PoolerError struct {
	Step string // its title
	Why  string
}

func (e *PoolerError) Error() string {
	return fmt.Sprintf("the step %q needs a session of its own, because it cannot be in a transaction or may take long, and %s; nothing was changed; "+
		"set Config.Direct (the command: -direct DSN) to a pool that leads to the server itself, past any pooler", e.Step, e.Why)
}
