package mysql

import (
	"context"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

func event(ctx context.Context, c querier, migration, what, detail string) error { return nil }
func mark(ctx context.Context, c querier, name string, s engine.State, reason string, from ...engine.State) error {
	return nil
}
func (e *Engine) links(ctx context.Context, q querier, table string) ([]plan.Link, error) {
	return nil, nil
}
func insertPlan(ctx context.Context, c querier, p *plan.Plan, s engine.State, done bool) error {
	return nil
}
