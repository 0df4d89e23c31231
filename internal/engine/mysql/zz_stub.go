package mysql

import (
	"context"

	"github.com/phasedb/phased/internal/schema"
)

func (e *Engine) dependents(ctx context.Context, q querier, table, column string) ([]schema.Dependent, error) {
	return nil, nil
}
