package mysql_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

// A client's prepared statements live through every change of their table: MySQL prepares
// them anew, and gives up where changes follow each other too fast (1615).
func TestPreparedStatementsOutliveTheSteps(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.exec("CREATE TABLE users (id int PRIMARY KEY, a int, b int, `a~hidden` int COMMENT 'phased: temporary name')", "INSERT INTO users (id) VALUES (0), (1), (2)")
		token, l := w.lease("a"), pair("0001", "users", "a", "b", "int")
		steps := []plan.Step{syncStep(plan.PhaseExpand, plan.SyncStep{Table: "users", Add: &l})}
		for i := range 12 {
			to := plan.NameHidden
			if i%2 == 1 {
				to = plan.NameShown
			}
			steps = append(steps, syncStep(plan.PhaseHide, plan.SyncStep{Table: "users", Swap: l.ID, To: to}))
		}
		p := w.begin(token, "0001", steps...)

		stop := make(chan struct{})
		var clients sync.WaitGroup
		for i := range 8 {
			clients.Go(func() {
				update, err := w.db.PrepareContext(t.Context(), "UPDATE users SET b = ? WHERE id = ?")
				if err != nil {
					t.Error(err)
					return
				}
				defer update.Close()
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := update.ExecContext(t.Context(), n, i%3); err != nil {
						t.Error(fmt.Errorf("update %d: %w", n, err))
						return
					}
				}
			})
		}
		defer clients.Wait()
		defer close(stop)
		for n := range steps {
			w.run(stepRun(token, p, n))
		}
	})
}
