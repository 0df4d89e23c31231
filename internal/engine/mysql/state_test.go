package mysql_test

import (
	"strings"

	"testing"

	"github.com/phasedb/phased/internal/engine"
)

func TestOverviewIsOneQuery(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := w.lease("a")
		w.begin(token, "0002")
		w.must(w.eng.Mark(t.Context(), token, "0002", engine.StateHidden, "why"))
		w.begin(token, "0001")
		w.exec(`UPDATE phased_migration SET hidden_at = UTC_TIMESTAMP(6) - INTERVAL 90 SECOND WHERE name = '0002'`)
		x := w.wire(hostile)
		ov, err := x.eng.Overview(t.Context())
		w.must(err)
		if sent := x.take(); sent[len(sent)-1].kind != comQuery || !strings.Contains(sent[len(sent)-1].text, "phased_meta") || strings.Contains(sent[0].text, "phased_meta") && len(sent) > 1 {
			t.Errorf("sent %+v, want the settings of the test's pool and one query", sent)
		}
		if ov.Server.Version < 80400 || ov.Server.Database != w.name || ov.Server.Role == "" || ov.Server.NoWrites != "" {
			t.Errorf("server %+v", ov.Server)
		}
		if len(ov.Migrations) != 2 || ov.Migrations[0].Name != "0001" {
			t.Fatalf("migrations %+v", ov.Migrations)
		}
		m := ov.Find("0002")
		if m.State != engine.StateHidden || m.Reason != "why" || m.StateAt.IsZero() || m.HiddenAt.IsZero() || !ov.Find("0001").HiddenAt.IsZero() {
			t.Errorf("%+v", m)
		}
		if m.HiddenAgo.Seconds() < 90 || m.HiddenAgo.Seconds() > 300 || m.HiddenAt.Location().String() != "UTC" {
			t.Errorf("hidden for %v, at %v", m.HiddenAgo, m.HiddenAt)
		}
	})
}
