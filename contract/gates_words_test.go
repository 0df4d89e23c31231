package contract

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
	"github.com/phasedb/phased/internal/schema"
)

// answers is an engine that gives these answers.
type answers struct {
	engine.Engine
	dialect    plan.Dialect
	dependents []schema.Dependent
	list       []string // of Invalid and Prepared
}

func (a answers) Dialect() plan.Dialect                                  { return a.dialect }
func (a answers) Invalid(context.Context, *plan.Plan) ([]string, error)  { return a.list, nil }
func (a answers) Prepared(context.Context, *plan.Plan) ([]string, error) { return a.list, nil }
func (a answers) OutOfStep(context.Context, plan.Link) (int64, error)    { return 3, nil }
func (a answers) Dependents(context.Context, *plan.Plan) ([]schema.Dependent, error) {
	return a.dependents, nil
}

// What a gate says and advises is true on every family of servers.
func TestGatesSpeakOfTheServerAtHand(t *testing.T) {
	t.Parallel()
	link := plan.Link{ID: "0001/1", Migration: "0001", Table: "users", Old: "a", New: "b"}
	pairs := &plan.Plan{Steps: []plan.Step{{Phase: plan.PhaseExpand, Sync: &plan.SyncStep{Table: "users", Add: &link}}}}
	none := &plan.Plan{}
	dependent := func(kind string) []schema.Dependent { return []schema.Dependent{{Kind: kind, Name: "x", Blocks: true}} }
	quiet := engine.Evidence{Kind: "reads", Available: true, Why: "half of it is not seen", ChangedAgo: 48 * time.Hour}
	tests := []struct {
		name string
		ask  func(context.Context, *subject) (Gate, error)
		s    subject
		with answers
		met  bool
		says string
		not  string
	}{
		{"no writes are counted, no pairs", writesGate, subject{p: none}, answers{dialect: plan.DialectMySQL}, true, "no columns are kept in step", ""},
		{"no writes are counted, with pairs", writesGate, subject{p: pairs}, answers{dialect: plan.DialectMariaDB}, true, "this server does not count writes that come from the old side; statements that write are among those of the gate reads", "no columns"},
		{"reads are seen in part", readsGate, subject{p: pairs, evidence: []engine.Evidence{quiet}, soak: time.Hour}, answers{}, true, "ran for 48h0m0s (SELECT * names nothing; half of it is not seen)", ""},
		{"a function on PostgreSQL", dependentsGate, subject{p: pairs}, answers{dialect: plan.DialectPostgres, dependents: dependent("function")}, false, "/* phased:ignore */", ""},
		{"a trigger on PostgreSQL", dependentsGate, subject{p: pairs}, answers{dialect: plan.DialectPostgres, dependents: dependent("trigger")}, false, "trigger x", "phased:ignore"},
		{"a trigger on MySQL", dependentsGate, subject{p: pairs}, answers{dialect: plan.DialectMySQL, dependents: dependent("trigger")}, false, "/* phased:ignore */", ""},
		{"an event on MariaDB", dependentsGate, subject{p: pairs}, answers{dialect: plan.DialectMariaDB, dependents: dependent("event")}, false, "/* phased:ignore */", ""},
		{"a view on MariaDB", dependentsGate, subject{p: pairs}, answers{dialect: plan.DialectMariaDB, dependents: dependent("view")}, false, "view x", "phased:ignore"},
		{"prepared on PostgreSQL", preparedGate, subject{p: pairs}, answers{dialect: plan.DialectPostgres, list: []string{"x"}}, false, "COMMIT PREPARED", "XA"},
		{"prepared on MySQL", preparedGate, subject{p: pairs}, answers{dialect: plan.DialectMySQL, list: []string{"'x','',1"}}, false, "XA COMMIT or XA ROLLBACK", "PREPARED"},
		{"none prepared on MySQL", preparedGate, subject{p: pairs}, answers{dialect: plan.DialectMySQL}, true, "that this account may see", ""},
		{"invalid on PostgreSQL", validGate, subject{p: pairs}, answers{dialect: plan.DialectPostgres, list: []string{"x"}}, false, "REINDEX", ""},
		{"missing on MySQL", validGate, subject{p: pairs}, answers{dialect: plan.DialectMySQL, list: []string{"x"}}, false, "make what is missing on the new side", "REINDEX"},
		{"out of step without a schema", verificationGate, subject{p: pairs, links: []plan.Link{link}}, answers{dialect: plan.DialectMySQL}, false, "3 rows of users out of step", ".users"},
	}
	for _, tt := range tests {
		tt.s.contractor = &contractor{eng: tt.with}
		g, err := tt.ask(t.Context(), &tt.s)
		if text := g.Sentence + " / " + g.Way; err != nil || g.Met != tt.met || !strings.Contains(text, tt.says) || tt.not != "" && strings.Contains(text, tt.not) {
			t.Errorf("%s: %t %s, %v", tt.name, g.Met, text, err)
		}
	}
}
