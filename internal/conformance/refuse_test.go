package conformance

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/contract"
	"github.com/phasedb/phased/expand"
)

// refused runs Up, which must say no, name the hazard, and change nothing.
func (w *world) refused(hazard string, files ...*expand.Migration) {
	w.Helper()
	before := w.shape()
	m, err := expand.New(w.db, fstest.MapFS{}, w.config(files...))
	w.must(err)
	defer m.Close(context.Background()) //nolint:errcheck // it never began
	err = m.Up(w.Context())
	var refused *expand.RefusedError
	if !errors.As(err, &refused) {
		w.Errorf("%s: %v", hazard, err)
		return
	}
	var names []string
	for _, p := range refused.Problems {
		names = append(names, p.Hazard)
		if p.Where == "" || p.Text == "" {
			w.Errorf("%s: a problem without a place or a text: %+v", hazard, p)
		}
	}
	if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+hazard+" ") {
		w.Errorf("%s: refused for %v: %v", hazard, names, err)
	}
	w.is(hazard+": the schema", w.shape(), before)
}

// Each later step that would fail or do harm is named before anything is touched.
func TestRefusals(t *testing.T) {
	each(t, func(w *world) {
		w.found(users, "CREATE UNIQUE INDEX users_email ON users (email)",
			"CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY, user_email varchar(60), note text, CONSTRAINT orders_user FOREIGN KEY (user_email) REFERENCES users (email))",
			"CREATE TABLE keyless (a int, b int)",
			"CREATE VIEW emails AS SELECT email FROM users",
			"CREATE TABLE checked (id bigint NOT NULL PRIMARY KEY, a int, b int)")
		rename := func(table, from, to string) *expand.Migration {
			return file("0001_x", expand.RenameColumn{Table: table, From: from, To: to})
		}
		for _, c := range []struct {
			hazard string
			m      *expand.Migration
		}{
			{"unknown-table", rename("nobody", "a", "b")},
			{"unknown-column", rename("users", "nothing", "b")},
			{"duplicate-name", rename("users", "email", "n")},
			{"name-length", rename("users", "email", strings.Repeat("x", 70))},
			{"referenced", rename("users", "email", "mail")},
			{"no-key", rename("keyless", "a", "c")},
			{"dependent-view", rename("users", "email", "mail")},
			{"not-a-table", rename("emails", "email", "mail")},
			{"unknown-table", file("0001_x", expand.DropColumn{Table: "nobody", Column: "a"})},
			{"referenced", file("0001_x", expand.DropColumn{Table: "users", Column: "email"})},
			{"primary-key", file("0001_x", expand.DropColumn{Table: "users", Column: "id"})},
			{"duplicate-name", file("0001_x", expand.AddColumn{Table: "users", Column: "n", Type: "int"})},
			{"duplicate-name", file("0001_x", expand.RenameTable{From: "users", To: "orders"})},
			{"duplicate-name", file("0001_x", expand.CreateTable{Name: "users", SQL: users})},
			{"duplicate-name", file("0001_x", expand.CreateIndex{Table: "users", Name: "users_email", Definition: "(n)"})},
			{"create-index", file("0001_x", expand.CreateIndex{Table: "users", Name: "x", Definition: "(nothing)"})},
		} {
			w.refused(c.hazard, c.m)
		}
	})
}

// A later file is checked before an earlier one runs.
func TestALaterFileIsCheckedFirst(t *testing.T) {
	each(t, func(w *world) {
		w.found(users, "CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY)")
		w.refused("unknown-column", file("0001_a", emailToAddress()), file("0002_b", expand.DropColumn{Table: "orders", Column: "nothing"}))
	})
}

func TestAChangedFileAndAMissingBaselineAreRefused(t *testing.T) {
	each(t, func(w *world) {
		w.exec(users)
		m, err := expand.New(w.db, fstest.MapFS{}, w.config(file(rename, emailToAddress())))
		w.must(err)
		var baseline *expand.BaselineError
		if err := m.Up(w.Context()); !errors.As(err, &baseline) || baseline.Tables != 1 {
			t.Errorf("tables without a baseline: %v", err)
		}
		w.must(m.Baseline(w.Context(), expand.BaselineNone))
		w.must(m.Up(w.Context()))
		w.must(m.Close(w.Context()))
		other := file(rename, expand.RenameColumn{Table: "users", From: "email", To: "mail"})
		m, err = expand.New(w.db, fstest.MapFS{}, w.config(other))
		w.must(err)
		var changed *expand.ChecksumError
		if err := m.Up(w.Context()); !errors.As(err, &changed) {
			t.Errorf("a changed file: %v", err)
		}
	})
}

// A build without the line is refused once the old side is hidden, and runs again when
// it is shown.
func TestBuildWithoutTheLine(t *testing.T) {
	each(t, func(w *world) {
		w.found(users)
		w.people(5)
		m := file(rename, emailToAddress())
		w.up(m)
		w.fill(backfill.Config{})
		w.half(rename, contract.HalfHide)
		late, err := expand.New(w.db, fstest.MapFS{}, w.config(m))
		w.must(err)
		var contracted *expand.ContractedError
		if err := late.Up(w.Context()); !errors.As(err, &contracted) {
			t.Errorf("a start without the line: %v", err)
		}
		line := file("0002_line")
		line.Directives.Contracts = []string{rename}
		w.up(m, line)
		w.rollback(rename, expand.RollbackConfig{Force: "a test"})
		w.must(late.Up(w.Context()))
		w.must(late.Close(w.Context()))
	})
}

// Contract goes by the register: it waits for the line, for builds without it, and for
// the soak time, and then needs nobody's word.
func TestContractByTheRegister(t *testing.T) {
	each(t, func(w *world) {
		w.found(users)
		w.people(5)
		m, line := file(rename, emailToAddress()), file("0002_line")
		line.Directives.Contracts = []string{rename}
		cfg := w.config(m)
		cfg.Heartbeat = 500 * time.Millisecond
		old := w.migrator(cfg)
		w.must(old.Up(w.Context()))
		w.fill(backfill.Config{})
		ask := contract.Config{Migration: rename, Soak: time.Second, Apps: []string{"test"}, Lines: []string{rename}, Logger: w.logger()}
		shut := func() string {
			w.Helper()
			reports, err := contract.Check(w.Context(), w.db, ask)
			w.must(err)
			var names []string
			for _, g := range reports[0].Shut() {
				names = append(names, g.Name)
			}
			return " " + strings.Join(names, " ") + " "
		}
		if got := shut(); !strings.Contains(got, " line ") || !strings.Contains(got, " register ") {
			t.Errorf("with the old build only, shut are%s", got)
		}
		cfg.Migrations, cfg.Version = append(cfg.Migrations, line), "v2"
		w.must(w.migrator(cfg).Up(w.Context()))
		if got := shut(); strings.Contains(got, " line ") || !strings.Contains(got, " register ") {
			t.Errorf("with both builds, shut are%s", got)
		}
		w.must(old.Close(w.Context()))
		for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
			reports, err := contract.Run(w.Context(), w.db, ask)
			if err == nil && w.status(rename).State == "dropped" {
				return
			}
			if err != nil && !errors.Is(err, contract.ErrNotMet) {
				t.Fatal(err)
			}
			if time.Since(begin) > time.Minute {
				t.Fatalf("not contracted: %v", reports)
			}
		}
	})
}
