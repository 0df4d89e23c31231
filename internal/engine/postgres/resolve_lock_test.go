package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/lockcheck"
)

// kinds has one plan of every kind of change, over these tables.
const kindTables = `CREATE TABLE domains (name text PRIMARY KEY); INSERT INTO domains VALUES ('a@b'), ('nobody');
	CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL UNIQUE DEFAULT 'nobody' REFERENCES domains ON DELETE CASCADE CHECK (email <> ''), n int, gone int NOT NULL);
	CREATE INDEX ON users (lower(email)) WHERE email <> ''; COMMENT ON COLUMN users.email IS 'mail';
	CREATE TABLE other (id bigint PRIMARY KEY, v text); CREATE TABLE posts (id bigint PRIMARY KEY);
	CREATE TABLE events (id bigint, at int, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); CREATE TABLE events1 PARTITION OF events FOR VALUES FROM (0) TO (10); CREATE TABLE events2 PARTITION OF events DEFAULT;
	INSERT INTO users VALUES (1, 'a@b', 1, 1); INSERT INTO other VALUES (1, 'v'); INSERT INTO events VALUES (1, 1, 'v')`

var kinds = []struct {
	name    string
	changes []plan.Change
	accept  []string
}{
	{"rename column", []plan.Change{plan.RenameColumn{Table: "users", From: "email", To: "email_address"}}, nil},
	{"rename column with expressions", []plan.Change{plan.RenameColumn{Table: "other", From: "v", To: "w", Up: "lower(v)", Down: "upper(w)"}}, nil},
	{"rename column, serialized", []plan.Change{plan.RenameColumn{Table: "other", From: "v", To: "w", SerializeInserts: true}}, nil},
	{"rename column of a partitioned table", []plan.Change{plan.RenameColumn{Table: "events", From: "v", To: "w"}}, nil},
	{"two renames in a file", []plan.Change{plan.RenameColumn{Table: "other", From: "v", To: "w"}, plan.RenameColumn{Table: "users", From: "n", To: "m"}}, nil},
	{"rename table", []plan.Change{plan.RenameTable{From: "posts", To: "articles"}}, nil},
	{"add column", []plan.Change{plan.AddColumn{Table: "users", Column: "age", Type: "int", Default: "7", NotNull: true}}, nil},
	{"drop column", []plan.Change{plan.DropColumn{Table: "users", Column: "gone"}}, nil},
	{"create table", []plan.Change{plan.CreateTable{Name: "tags", SQL: "CREATE TABLE tags (id bigint PRIMARY KEY, u bigint REFERENCES users)"}}, nil},
	{"create index", []plan.Change{plan.CreateIndex{Table: "users", Name: "users_n", Definition: "(n)", Unique: true}}, nil},
	{"as written", []plan.Change{plan.AsWritten{SQL: "ALTER TABLE other ALTER v TYPE varchar(10)", Reason: "it is small", Table: "other"}}, nil},
}

func planOf(t *testing.T, s *synced, i int) *plan.Plan {
	t.Helper()
	m := migration(fmt.Sprintf("%04d", i), kinds[i].changes...)
	for _, hazard := range kinds[i].accept {
		m.Directives.Accepts = append(m.Directives.Accepts, plan.Accept{Hazard: hazard, Reason: "it is a test"})
	}
	p, err := s.Resolve(t.Context(), m, nil)
	if err != nil {
		t.Fatalf("%s: %v", kinds[i].name, err)
	}
	return p
}

// I5: what others wait for is bounded and a transaction; and what the plan says of a
// step's lock is what a second connection sees in pg_locks while it runs.
func TestStepsLockWhatThePlanSays(t *testing.T) {
	t.Parallel()
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := newSynced(t, kindTables)
			p := planOf(t, s, i)
			if len(p.Steps) == 0 {
				t.Fatal("the plan has no steps")
			}
			for _, phase := range plan.Phases {
				if phase == plan.PhaseUndo && p.Contracts() {
					break // the way back is walked from the beginning, below
				}
				for _, step := range p.Of(phase) {
					s.runLooking(step)
				}
				if phase == plan.PhaseExpand {
					s.fill()
				}
			}
			if !p.Contracts() {
				return
			}
			s = newSynced(t, kindTables)
			p = planOf(t, s, i)
			for _, phase := range []plan.Phase{plan.PhaseExpand, plan.PhaseHide, plan.PhaseUndo} {
				for _, step := range p.Of(phase) {
					s.runLooking(step)
				}
			}
		})
	}
}

// runLooking runs a step and compares its lock with what pg_locks shows of relations
// that were there before.
func (s *synced) runLooking(step plan.Step) {
	s.t.Helper()
	where := fmt.Sprintf("%s: %s", step.Phase, step.Title)
	if step.Lock.BlocksReads() || step.Lock.BlocksWrites() {
		if step.LockTimeout <= 0 || step.LockTimeout > time.Second || !step.InTx {
			s.t.Errorf("%s takes %v with lock timeout %v, in a transaction %v", where, step.Lock, step.LockTimeout, step.InTx)
		}
	}
	if step.InTx && step.StatementTimeout <= 0 {
		s.t.Errorf("%s has no statement timeout", where)
	}
	// A writer's and a reader's locks hold CREATE and DROP INDEX CONCURRENTLY back, so that they can be looked at.
	relations := s.text("SELECT string_agg(oid::text, ', ') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')")
	c := s.session()
	pid := queryText(s.t, c, "SELECT pg_backend_pid()")
	look := func() (lockcheck.LockMode, string) {
		strongest, what := lockcheck.LockNone, ""
		for _, line := range strings.Split(s.text("SELECT mode, relation::regclass FROM pg_locks WHERE granted AND locktype = 'relation' AND pid = "+pid+" AND relation IN ("+relations+")"), ", ") {
			name, relation, _ := strings.Cut(line, " ")
			if m, err := lockcheck.ParseLockMode(name); err == nil && m > strongest {
				strongest, what = m, relation
			}
		}
		return strongest, what
	}
	texts := s.compose(step)
	var seen lockcheck.LockMode
	var what string
	switch concurrently := strings.Contains(step.Statements[0], " CONCURRENTLY "); {
	case concurrently:
		blocker, err := s.db.BeginTx(s.t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
		if err != nil {
			s.t.Fatal(err)
		}
		on(s.t, blocker, "UPDATE users SET n = n")
		done := make(chan error, 1)
		go func() { _, err := c.ExecContext(context.WithoutCancel(s.t.Context()), texts[0]); done <- err }()
		for s.text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = "+pid) == "0" {
			select {
			case err := <-done:
				s.t.Fatalf("%s did not wait for a writer: %v", where, err)
			default:
			}
		}
		seen, what = look()
		if err := blocker.Rollback(); err != nil {
			s.t.Fatal(err)
		}
		if err := <-done; err != nil {
			s.t.Fatalf("%s: %v", where, err)
		}
	default:
		tx, err := c.BeginTx(s.t.Context(), nil)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, text := range texts {
			on(s.t, tx, text)
		}
		seen, what = look()
		if err := tx.Commit(); err != nil {
			s.t.Fatal(err)
		}
	}
	if seen != step.Lock {
		s.t.Errorf("%s: the plan says %v on %s, the server took %v on %s", where, step.Lock, step.Relation, seen, what)
	}
}

// Plans of every kind go through JSON unchanged.
func TestPlansGoThroughJSON(t *testing.T) {
	t.Parallel()
	s := newSynced(t, kindTables)
	for i, k := range kinds {
		p := planOf(t, s, i)
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		q, err := plan.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		again, err := q.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, again) || !reflect.DeepEqual(p.Steps, q.Steps) || !reflect.DeepEqual(p.Fills, q.Fills) || p.SQL() != q.SQL() {
			t.Errorf("%s: the plan is another one after JSON:\n%s\n%s", k.name, b, again)
		}
		if diff := plan.DiffFacts(p.Facts, q.Facts); len(diff) > 0 {
			t.Errorf("%s: the facts differ: %v", k.name, diff)
		}
		// Planned again, the plan is the same: nothing in it depends on the moment.
		if r := planOf(t, s, i); r.SQL() != p.SQL() {
			t.Errorf("%s: planned again, it is another plan", k.name)
		}
	}
}

// The plan of a rename as people read it, the same for every version; PHASED_UPDATE=1 writes it anew.
func TestPlanOfARenameAsSQL(t *testing.T) {
	t.Parallel()
	s := newSynced(t, kindTables)
	p := planOf(t, s, 0)
	p.Server = "PostgreSQL"
	golden := filepath.Join("testdata", "rename-email.sql")
	if os.Getenv("PHASED_UPDATE") == "1" {
		if err := os.WriteFile(golden, []byte(p.SQL()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.SQL(); got != string(want) {
		t.Errorf("the plan has changed (PHASED_UPDATE=1 writes it anew):\n%s", got)
	}
}
