package postgres

import "testing"

// Rows that move to another partition are deleted there and inserted here.
func TestSyncOfPartitions(t *testing.T) {
	t.Parallel()
	s := newSynced(t, `CREATE TABLE t (id int, part int, o text DEFAULT 'd', n int) PARTITION BY LIST (part);
		CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
		CREATE TABLE t2 (n int, o text DEFAULT 'd', gone int, part int, id int); ALTER TABLE t2 DROP gone; ALTER TABLE t ATTACH PARTITION t2 FOR VALUES IN (2);
		CREATE TABLE t3 PARTITION OF t FOR VALUES IN (3, 4) PARTITION BY LIST (part); CREATE TABLE t3a PARTITION OF t3 FOR VALUES IN (3);
		CREATE UNIQUE INDEX ON t (id, part); ALTER TABLE t ALTER id SET NOT NULL, ALTER part SET NOT NULL; INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')`, rename("t", "o", "w"))
	fired := func(want string) {
		t.Helper()
		s.want(want, `SELECT c.relname, g.tgenabled FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid WHERE g.tgname = '~phased_sync' ORDER BY 1`)
	}
	fired("t A, t1 A, t2 A, t3 A, t3a A")
	all := "SELECT id, part, o, w FROM t ORDER BY id"
	s.exec("UPDATE t SET part = 2 WHERE id = 1") // an unfilled row moves and heals
	s.want("1 2 a a, 2 2 b -, 3 3 c -", all)
	s.exec("UPDATE t SET part = 3, o = 'B' WHERE id = 2; UPDATE t SET part = 1, w = 'C' WHERE id = 3")
	s.want("1 2 a a, 2 3 B B, 3 1 C C", all)
	s.exec("UPDATE t SET part = 1, w = 'd' WHERE id = 1; UPDATE t SET part = 2, o = 'd' WHERE id = 2; UPDATE t SET part = 3, w = NULL WHERE id = 3") // what the default is
	s.want("1 1 d d, 2 2 d d, 3 3 - -", all)
	s.exec("UPDATE t SET part = 2, o = 'x', w = 'y'")
	s.want("1 2 y y, 2 2 y y, 3 2 y y", all)

	// Partitions that come later.
	s.exec("CREATE TABLE t5 PARTITION OF t FOR VALUES IN (5); CREATE TABLE t6 (id int NOT NULL, part int NOT NULL, o text, n int, w text); INSERT INTO t6 VALUES (60, 6, 'late'); ALTER TABLE t ATTACH PARTITION t6 FOR VALUES IN (6); CREATE TABLE t3b PARTITION OF t3 FOR VALUES IN (4)")
	fired("t A, t1 A, t2 A, t3 A, t3a A, t3b A, t5 A, t6 A")
	s.exec("SET session_replication_role = replica; INSERT INTO t (id, part, o) VALUES (10, 4, 'o'), (11, 5, 'o'); INSERT INTO t (id, part, w) VALUES (12, 4, 'w'), (13, 6, 'w'); INSERT INTO t5 (id, part, o) VALUES (14, 5, 'direct'); RESET session_replication_role")
	s.want("10 4 o o, 11 5 o o, 12 4 w w, 13 6 w w, 14 5 direct direct, 60 6 late -", "SELECT id, part, o, w FROM t WHERE id >= 10 ORDER BY id")
	if n := s.outside(); n != 1 {
		t.Errorf("%d rows out of step, want the one that was attached", n)
	}
	s.fill()
	if n := s.outside(); n != 0 {
		t.Errorf("%d rows out of step after the backfill", n)
	}
	// Taking the sync away takes it from every partition; a detached one has lost it with its parent.
	s.exec("ALTER TABLE t DETACH PARTITION t6")
	for _, step := range s.plans[0].Of("undo")[1:] {
		for _, text := range s.compose(step) {
			s.exec(text)
		}
	}
	s.want("", `SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = '~phased_sync'`)
}
