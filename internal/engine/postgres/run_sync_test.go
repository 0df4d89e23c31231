package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

func link(migration, from, to string) plan.Link {
	return plan.Link{ID: migration + "/1", Migration: migration, Schema: "public", Table: "users", Old: from, New: to, Hidden: from + "~hidden", Type: "text", OldType: "text",
		Evidence: `phased."` + strings.ReplaceAll("old writes "+from, `"`, `""`) + `"`}
}

// renaming is the life of a column rename, as far as the sync goes: add, hide, drop, show, undo.
func renaming(l plan.Link) []plan.Step {
	q := func(format string, args ...any) string {
		return `ALTER TABLE public.users ` + fmt.Sprintf(format, args...)
	}
	add := inTx(`CREATE SEQUENCE `+l.Evidence, q(`ADD COLUMN "%s" text`, l.New), q(`ALTER COLUMN "%s" SET STATISTICS 50`, l.New))
	add.Sync = &plan.SyncStep{Schema: "public", Table: "users", Add: &l, At: 2}
	hide := inTx(q(`RENAME "%s" TO "%s"`, l.Old, l.Hidden))
	hide.Sync = &plan.SyncStep{Schema: "public", Table: "users", Hide: l.ID, At: 1}
	drop := inTx(q(`DROP COLUMN "%s"`, l.Hidden), `DROP SEQUENCE `+l.Evidence)
	drop.Sync = &plan.SyncStep{Schema: "public", Table: "users", Remove: l.ID, At: 0}
	show := inTx(q(`RENAME "%s" TO "%s"`, l.Hidden, l.Old))
	show.Sync = &plan.SyncStep{Schema: "public", Table: "users", Show: l.ID, At: 1}
	undo := inTx(q(`DROP COLUMN "%s"`, l.New), `DROP SEQUENCE `+l.Evidence)
	undo.Sync = &plan.SyncStep{Schema: "public", Table: "users", Remove: l.ID, At: 0}
	there := func(column string) string {
		return `SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = 'public.users'::pg_catalog.regclass AND attname = '` + column + `' AND NOT attisdropped)`
	}
	gone := `SELECT NOT EXISTS (SELECT FROM phased.link WHERE id = '` + l.ID + `')`
	add.Done, hide.Done, show.Done, drop.Done, undo.Done = there(l.New), there(l.Hidden), there(l.Old), gone, gone
	return []plan.Step{add, hide, drop, show, undo}
}

const (
	stepAdd = iota
	stepHide
	stepDrop
	stepShow
	stepUndo
)

// inFlight gives the pairs as "old>new", in order.
func (w *world) inFlight() string {
	w.Helper()
	links, err := w.eng.Links(w.Context(), "public", "users")
	w.must(err)
	var out []string
	for _, l := range links {
		out = append(out, l.Old+">"+l.New)
	}
	return strings.Join(out, " ")
}

// written inserts a value through one column and gives the row: "a=second b=second".
func (w *world) written(column string) string {
	w.Helper()
	w.exec(`DELETE FROM users`, `INSERT INTO users (id, "`+column+`") VALUES (1, 'first')`)
	first := get[string](w, `SELECT to_jsonb(u)::text FROM users u`)
	w.exec(`UPDATE users SET "` + column + `" = 'second'`)
	second := get[string](w, `SELECT to_jsonb(u)::text FROM users u`)
	if strings.ReplaceAll(first, `"first"`, `"second"`) != second {
		w.Errorf("%s inserted: %s, updated: %s", column, first, second)
	}
	var out []string
	for _, c := range strings.Fields(w.columns("users"))[1:] {
		out = append(out, c+"="+get[string](w, `SELECT coalesce(to_jsonb(u)->>$1, 'null') FROM users u`, c))
	}
	return strings.Join(out, " ")
}

func (w *world) body() string {
	w.Helper()
	return get[string](w, `SELECT coalesce((SELECT pg_get_functiondef(tgfoid) FROM pg_trigger WHERE tgrelid = 'users'::regclass AND NOT tgisinternal), '')`)
}

func TestStackedSyncs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int, a text)`)
	token := w.lease("a")
	ab := w.begin(token, "0001", renaming(link("0001", "a", "b"))...)
	bc := w.begin(token, "0002", renaming(link("0002", "b", "c"))...)
	run := func(p *plan.Plan, n int) {
		t.Helper()
		w.must(w.eng.Run(t.Context(), stepRun(token, p, n)))
	}
	expect := func(what, inFlight string, writes ...string) {
		t.Helper()
		is(w, what+": in flight", w.inFlight(), inFlight)
		for _, c := range strings.Fields(w.columns("users"))[1:] {
			got := w.written(c)
			for _, want := range strings.Fields(got) {
				if !strings.HasSuffix(want, "=second") {
					t.Errorf("%s: written through %s: %s", what, c, got)
				}
			}
		}
		for _, c := range writes {
			if !strings.Contains(w.body(), c) {
				t.Errorf("%s: %s is not in\n%s", what, c, w.body())
			}
		}
	}
	run(ab, stepAdd)
	expect("add a>b", "a>b", `NEW."b" := NEW."a"`)
	run(bc, stepAdd)
	expect("add b>c", "a>b b>c", `NEW."c" := NEW."b"`, `NEW."a" := NEW."b"`)
	body := w.body()

	// The later one cannot be hidden under the earlier one.
	if err := w.eng.Run(t.Context(), stepRun(token, bc, stepHide)); err == nil || !strings.Contains(err.Error(), "contract that one first") {
		t.Errorf("hide b, which a>b writes to: %v", err)
	}
	run(ab, stepHide)
	expect("hide a", "a~hidden>b b>c", `NEW."a~hidden" := NEW."b"`)
	is(w, "persisted", get[string](w, `SELECT string_agg(id || hidden, ' ' ORDER BY position) FROM phased.link`), "0001/1true 0002/1false")
	run(ab, stepShow)
	expect("show a", "a>b b>c")
	if got := w.body(); got != body {
		t.Errorf("show does not take hide back:\n%s\nwant\n%s", got, body)
	}
	run(ab, stepHide)
	run(ab, stepDrop)
	is(w, "columns", w.columns("users"), "id b c")
	expect("drop a", "b>c", `NEW."c" := NEW."b"`)
	run(bc, stepUndo)
	is(w, "columns", w.columns("users"), "id b")
	is(w, "in flight", w.inFlight(), "")
	is(w, "trigger", w.body(), "")
	is(w, "functions", get[int](w, `SELECT count(*) FROM pg_proc WHERE pronamespace = 'phased'::regnamespace`), 0)
}

// Undoing the first and adding it again: the order is that of the changes in flight.
func TestSyncOrderIsByTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int, a text, x text)`)
	token := w.lease("a")
	ab := w.begin(token, "0001", renaming(link("0001", "a", "b"))...)
	xy := w.begin(token, "0002", renaming(link("0002", "x", "y"))...)
	for _, s := range []struct {
		p *plan.Plan
		n int
	}{{ab, stepAdd}, {xy, stepAdd}, {ab, stepUndo}} {
		w.must(w.eng.Run(t.Context(), stepRun(token, s.p, s.n)))
	}
	w.must(w.eng.Mark(t.Context(), token, "0001", engine.StateRolledBack, ""))
	w.must(w.eng.Forget(t.Context(), token, "0001"))
	ab = w.begin(token, "0001", renaming(link("0001", "a", "b"))...)
	w.must(w.eng.Run(t.Context(), stepRun(token, ab, stepAdd)))
	is(w, "in flight", w.inFlight(), "x>y a>b")
	all, err := w.eng.Links(t.Context(), "", "")
	if err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	other, err := w.eng.Links(t.Context(), "public", "other")
	if err != nil || len(other) != 0 {
		t.Errorf("%+v, %v", other, err)
	}
}

// The pairs change between composing and the step's own transaction.
func TestSyncComposedFromWhatIsNotSoAnyMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int, a text, x text)`)
	token := w.lease("a")
	ab := w.begin(token, "0001", renaming(link("0001", "a", "b"))...)
	xy := w.begin(token, "0002", renaming(link("0002", "x", "y"))...)
	held := w.holding(`SELECT FROM phased.step WHERE migration = '0001' FOR UPDATE`)
	first := later(func() error { return w.eng.Run(t.Context(), stepRun(token, ab, stepAdd)) })
	w.waiting(1)
	w.must(w.eng.Run(t.Context(), stepRun(token, xy, stepAdd)))
	held()
	if err := <-first; !w.eng.Retryable(err) || !strings.Contains(err.Error(), "has changed meanwhile") {
		t.Errorf("got %v", err)
	}
	is(w, "in flight", w.inFlight(), "x>y")
	is(w, "columns", w.columns("users"), "id a x y")
	w.must(w.eng.Run(t.Context(), stepRun(token, ab, stepAdd)))
	is(w, "in flight", w.inFlight(), "x>y a>b")
	if got := strings.Fields(w.written("a")); !slices.Contains(got, "b=second") {
		t.Errorf("%v", got)
	}
	if got := strings.Fields(w.written("x")); !slices.Contains(got, "y=second") {
		t.Errorf("%v", got)
	}
}

func TestSyncOfWhatIsNotInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `CREATE TABLE users (id int, a text)`)
	token := w.lease("a")
	p := w.begin(token, "0001", renaming(link("0001", "a", "b"))...)
	for _, n := range []int{stepHide, stepShow} {
		if err := w.eng.Run(t.Context(), stepRun(token, p, n)); err == nil || !strings.Contains(err.Error(), "not among the pairs in flight") {
			t.Errorf("step %d: %v", n, err)
		}
	}
	is(w, "columns", w.columns("users"), "id a")
}
