package mysql

import (
	"context"
	"fmt"
)

// FirstContract reports whether no old side was ever hidden here, and which
// applications have registered so far.
func (e *Engine) FirstContract(ctx context.Context) (bool, []string, error) {
	first, err := truth(ctx, e.db, "SELECT /* phased */ NOT EXISTS (SELECT 1 FROM phased_migration WHERE hidden_at IS NOT NULL)")
	if err != nil {
		return false, nil, fmt.Errorf("ask whether anything was contracted before: %w", err)
	}
	apps, err := list(ctx, e.db, "SELECT /* phased */ DISTINCT app FROM phased_instance ORDER BY app")
	if err != nil {
		return false, nil, fmt.Errorf("list the applications seen: %w", err)
	}
	return first, apps, nil
}
