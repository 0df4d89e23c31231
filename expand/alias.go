package expand

import (
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// The data of a change, from package plan, where each is documented.
type (
	Plan         = plan.Plan
	Migration    = plan.Migration
	Statement    = plan.Statement
	Change       = plan.Change
	Parser       = plan.Parser
	InputError   = plan.InputError
	RenameColumn = plan.RenameColumn
	RenameTable  = plan.RenameTable
	AddColumn    = plan.AddColumn
	DropColumn   = plan.DropColumn
	CreateTable  = plan.CreateTable
	CreateIndex  = plan.CreateIndex
	AsWritten    = plan.AsWritten
)

// State is where a migration stands in its life.
type State = engine.State

// The states, in the order of a life. StateComplete ends a change that has nothing
// to remove; StateBaseline counts as done without having been run.
const (
	StateExpanding   = engine.StateExpanding
	StateExpanded    = engine.StateExpanded
	StateBackfilling = engine.StateBackfilling
	StateVerified    = engine.StateVerified
	StateHidden      = engine.StateHidden
	StateDropping    = engine.StateDropping
	StateDropped     = engine.StateDropped
	StateComplete    = engine.StateComplete
	StateRollingBack = engine.StateRollingBack
	StateRolledBack  = engine.StateRolledBack
	StateBaseline    = engine.StateBaseline
)
