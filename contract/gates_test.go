package contract

import (
	"strings"
	"testing"
)

// Each way of saying yes too early: everything is met but one gate.
func TestOnlyOneGateIsShut(t *testing.T) {
	t.Parallel()
	old := func(seen string) func(*life) {
		return func(l *life) {
			l.register("old", "billing")
			l.exec(`UPDATE phased.instance SET seen_at = clock_timestamp() - interval '` + seen + `' WHERE id = 'old'`)
		}
	}
	sql := func(statements ...string) func(*life) { return func(l *life) { l.exec(statements...) } }
	tests := []struct {
		name, gate string
		hide, drop bool // the half that it is asked in
		harm       func(*life)
		says       string
		cfg        Config
	}{
		{"backfilling", "state", true, false, sql(`UPDATE phased.migration SET state = 'backfilling'`), "backfilling, not yet verified", Config{}},
		{"paused by hand", "paused", true, true, func(l *life) { _, err := l.eng.Pause(l.Context(), name, true); l.must(err) }, "by hand", Config{}},

		{"nobody declares the line", "line", true, true, sql(`UPDATE phased.instance SET seen_at = clock_timestamp() - interval '2 h', lines = '{}'`), "no live instance", Config{}},
		{"whoever declared it is dead", "line", true, true, sql(`UPDATE phased.instance SET seen_at = clock_timestamp() - interval '2 min'`), "no live instance", Config{}},
		{"whoever declared it has stopped", "line", true, true, func(l *life) { l.must(l.eng.Deregister(l.Context(), "new")) }, "no live instance", Config{}},

		{"old instance alive", "register", true, false, old("0 s"), "billing v-old on h (process 1): alive", Config{}},
		{"old instance stopped by a signal, not alive but within the soak", "register", true, false, old("50 min"), "silent, last seen 50m", Config{}},
		{"old instance died without a word", "register", true, false, old("59 min"), "silent", Config{}},
		{"old instance said goodbye within the soak", "register", true, false, func(l *life) { old("0 s")(l); l.must(l.eng.Deregister(l.Context(), "old")) }, "stopped", Config{}},
		{"old instance of long heartbeats", "register", true, false, func(l *life) {
			old("70 min")(l)
			l.exec(`UPDATE phased.instance SET lifetime = '30 min' WHERE id = 'old'`)
		}, "silent, last seen 1h10m", Config{}},

		{"applications not named", "apps", true, false, sql(), "seen so far: billing", Config{Apps: []string{}}},
		{"application never seen", "apps", true, false, sql(), "never seen: reporting", Config{Apps: []string{"billing", "reporting"}}},
		{"application not named", "apps", true, false, func(l *life) { l.register("other", "mail", name) }, "not named in Config.Apps: mail", Config{}},

		{"unregistered writer", "writes", true, false, sql(`UPDATE users SET email = 'cron' WHERE id = 1`), "quiet for 0s of 1h", Config{}},
		{"unregistered writer that rolled back", "writes", true, false, sql(`BEGIN; INSERT INTO users (id, email) VALUES (1000, 'x'); ROLLBACK`), "quiet for 0s", Config{}},
		{"writer to the hidden name", "writes", false, true, sql(`UPDATE users SET "email~hidden" = 'x' WHERE id = 1`), "quiet for 0s", Config{}},
		{"unregistered reader", "reads", true, false, func(l *life) {
			l.exec(`CREATE EXTENSION pg_stat_statements`)
			l.watch()
			l.exec(`SELECT id, email FROM users WHERE id = 7`)
		}, "such as: SELECT id, email FROM users", Config{}},
		{"reader of the hidden name", "reads", false, true, func(l *life) {
			l.exec(`CREATE EXTENSION pg_stat_statements`)
			l.watch()
			l.exec(`SELECT id, "email~hidden" FROM users WHERE id = 7`)
		}, `"email~hidden"`, Config{}},

		{"backfill not complete", "backfill", true, true, sql(`UPDATE phased.fill SET state = 'walked'`), "users.email_address is walked", Config{}},
		{"row left behind", "backfill", true, true, sql(`INSERT INTO phased.poison (fill, key, error) SELECT id, '{1}', 'x' FROM phased.fill`), "1 row could not be written", Config{}},

		{"trigger disabled", "sync", true, true, sql(`ALTER TABLE users DISABLE TRIGGER "~phased_sync"`), "tgenabled is D", Config{}},
		{"trigger altered", "sync", true, true, sql(`CREATE OR REPLACE FUNCTION phased."sync public.users"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`), "was altered", Config{}},
		{"constraint not validated", "valid", true, true, sql(`ALTER TABLE users ADD CONSTRAINT c CHECK (email_address <> '') NOT VALID`), "constraint c", Config{}},
		{"index invalid", "valid", true, true, sql(`CREATE INDEX x ON users (email_address, n); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'x'::regclass`), "index public.x is not valid", Config{}},
		{"view", "dependents", true, false, sql(`CREATE VIEW v AS SELECT email FROM users`), "view public.v", Config{}},
		{"view on the hidden name", "dependents", false, true, sql(`CREATE VIEW v AS SELECT "email~hidden" FROM users`), "view public.v", Config{}},
		{"function", "dependents", true, false, sql(`CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(email) FROM users'`), "function public.f()", Config{}},
		{"prepared transaction", "prepared", true, true, func(l *life) {
			l.exec(`BEGIN; SELECT FROM users; PREPARE TRANSACTION 'forgotten ` + l.scratch.Name + `'`) // a server has each name once
		}, "forgotten", Config{}},
		{"row out of step", "verification", true, false, func(l *life) { l.around(`UPDATE users SET email_address = 'x' WHERE id = 3`) }, "1 row of public.users out of step: email and", Config{}},
		{"row out of step, hidden", "verification", false, true, func(l *life) { l.around(`UPDATE users SET email_address = 'x' || id WHERE id IN (3, 4)`) }, "2 rows of public.users out of step: email~hidden and", Config{}},

		{"not hidden for long", "soak", false, true, sql(`UPDATE phased.migration SET hidden_at = clock_timestamp() - interval '59 min'`), "wait 1m", Config{}},
	}
	for _, tt := range tests {
		for half, at := range map[string]func(*testing.T) *life{"hide": verified, "drop": hidden} {
			if half == "hide" && !tt.hide || half == "drop" && !tt.drop {
				continue
			}
			t.Run(half+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				l := at(t)
				tt.harm(l)
				r := l.refused(tt.cfg, name, tt.gate)
				if text := r.String(); !strings.Contains(text, tt.says) || !strings.Contains(text, "NOT MET  "+tt.gate) {
					t.Errorf("want %q in\n%s", tt.says, text)
				}
			})
		}
	}
}

// Renames stacked on one table go oldest first; the later one does not hold up the
// earlier one.
func TestStackedChangesGoOldestFirst(t *testing.T) {
	t.Parallel()
	l := begin(t)
	const second = "0002_rename_again"
	l.verify(name, renameEmail())
	l.verify(second, renameTo("email_address", "mail"))
	l.register("new", "billing", name, second)
	l.watch()
	l.refused(Config{}, second, "order")
	l.run(Config{}, "hidden")
	if s := l.state(second); s != "verified" {
		t.Fatalf("the second is %s although the first is only hidden", s)
	}
	l.refused(Config{}, second, "order")
	l.pass(2 * soak)
	l.run(Config{}, "dropped")
	if s := l.state(second); s != "hidden" {
		t.Fatalf("the second is %s in the pass that dropped the first", s)
	}
	l.exec(`INSERT INTO users (id, mail) VALUES (100, 'x')`)
	l.pass(2 * soak)
	l.run(Config{}, "dropped")
	if s := l.state(second); s != "dropped" {
		t.Fatalf("the second is %s", s)
	}
	if got := l.text(`SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped`); got != "id n mail" {
		t.Errorf("columns %q", got)
	}
}

// A change without a pair must not take a column from under another one's sync.
func TestDroppedColumnThatALaterChangeUses(t *testing.T) {
	t.Parallel()
	l := begin(t)
	l.verify("0001_drop_n", drop("n"))
	l.verify("0002_rename_n", renameTo("n", "m"))
	l.register("new", "billing", "0001_drop_n", "0002_rename_n")
	l.watch()
	r := l.refused(Config{}, "0001_drop_n", "order")
	if !strings.Contains(r.String(), "0002_rename_n keeps users.n in step with m") {
		t.Error(r)
	}
}

// A backfill that was killed in the middle shuts more than one gate.
func TestBackfillKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	l := verified(t)
	l.exec(`ALTER TABLE users ALTER email_address DROP NOT NULL; DROP INDEX "users_email~new"`)
	l.around(`UPDATE users SET email_address = NULL WHERE id > 20`)
	l.exec(`UPDATE phased.fill SET state = 'running', cursor = '{20}', lease_until = clock_timestamp() + interval '10 s'; UPDATE phased.migration SET state = 'backfilling'`)
	r := l.refused(Config{}, name, "state", "backfill", "valid", "verification")
	if !strings.Contains(r.String(), "30 rows of public.users out of step") {
		t.Error(r)
	}
}

// The whole table is read only when everything else is met.
func TestVerificationIsAskedLast(t *testing.T) {
	t.Parallel()
	l := verified(t)
	l.register("old", "billing")
	_, err := Run(l.Context(), l.db, config(Config{Migration: name}))
	if err == nil || !strings.Contains(err.Error(), "verification: not asked yet") {
		t.Errorf("%v", err)
	}
}

// Without pg_stat_statements the gate does not stay shut for ever, and says what it cannot tell.
func TestReadsThatTheServerCannotTell(t *testing.T) {
	t.Parallel()
	l := verified(t)
	reports, err := Check(l.Context(), l.db, config(Config{}))
	l.must(err)
	if text := reports[0].String(); !strings.Contains(text, "the server cannot tell who reads the old side") || !strings.Contains(text, "CREATE EXTENSION pg_stat_statements") {
		t.Error(text)
	}
}

// The first look at the evidence begins the soak; there is no evidence from before it.
func TestFirstLookBeginsTheSoak(t *testing.T) {
	t.Parallel()
	l := begin(t)
	l.verify(name, renameEmail())
	l.register("new", "billing", name)
	l.refused(Config{}, name, "writes")
	l.refused(Config{}, name, "writes")
	l.pass(2 * soak)
	l.run(Config{}, "hidden")
}

// A lost counter keeps the gate shut: such writes fail, and none is counted.
func TestLostCounter(t *testing.T) {
	t.Parallel()
	l := verified(t)
	l.exec(`DROP SEQUENCE phased."old writes ` + name + `/1"`)
	l.refused(Config{}, name, "writes", "sync")
}
