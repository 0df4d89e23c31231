package mysql

import (
	"context"

	"github.com/phasedb/phased/expand/plan"
)

// CanRun: every step looks at its session itself.
func (e *Engine) CanRun(context.Context, []plan.Step) error { return nil }
