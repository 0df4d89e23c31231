// Package contract removes the old side of a change, once it is proved and not
// hoped that nobody needs it any more.
//
// # When
//
// Code that uses the old side has to be gone, and only the team's review knows which
// build that is. So a build says it: a line `-- phased:contract 0007_rename_email` in
// its migrations declares that it does not use the old side of 0007. Without such a
// line in a live instance the old side stays in step for ever.
//
// # Ask
//
// [Check] is the dry run: every gate of every migration that has an old side left,
// what is so, and what would open it. It changes nothing.
//
//	reports, err := contract.Check(ctx, db, contract.Config{})
//	for _, r := range reports {
//		fmt.Println(r)
//	}
//
// # Do
//
// [Run] does in one pass what every gate allows; [Work] goes on doing so for as long
// as a service runs. Contract has two halves. It first hides the old side: the column
// is renamed away while the sync goes on under its hidden name, which one statement
// takes back (expand.Rollback). After a second soak it drops what is hidden; from
// there no way leads back.
//
//	go contract.Work(ctx, db, contract.Config{Soak: 24 * time.Hour})
//
// # The gates
//
// Their names are stable. Both halves ask all of them, but where one is named.
//
//	state         the migration is where this half begins: verified, or hidden
//	paused        nobody has paused it by hand
//	order         no earlier change in flight ends where this one begins
//	line          a live instance embeds the migration's contract line
//	register      no live instance lacks the line, and none that lacked it was seen for the soak time
//	apps          (first contract in a database) every application that uses it is named and was seen
//	writes        the server counted no write that came from the old side, for the soak time
//	reads         the server counted no statement that names the old side, for the soak time
//	backfill      every row was visited, none was left behind
//	sync          the trigger is there, enabled, last and unaltered, on every partition
//	valid         every index and constraint of the new side is there and valid
//	dependents    no view, function, foreign key, … would break or be dropped
//	prepared      no prepared transaction holds a lock on the table; on MySQL and MariaDB none
//	              stays prepared for two seconds (MySQL tells only who has XA_RECOVER_ADMIN)
//	soak          (drop) the old side has been hidden for the soak time
//	verification  a fresh count of the rows out of step finds none; asked last, it reads the whole table
//
// # What a server can tell
//
// The gates writes and reads ask the server, and say where it cannot tell; what it does
// not see they let through, so that the register decides. Nobody sees which columns
// SELECT * means.
//
// PostgreSQL: the sync counts each write that comes from the old side, and
// pg_stat_statements, where it is installed, the statements that name it.
//
// MySQL and MariaDB: nothing counts writes as such; performance_schema counts statements
// by their text, those that write among them. The account needs SELECT on
// performance_schema.*, and MariaDB has it off unless its configuration says
// performance_schema = ON. MariaDB does not count prepared statements, and shows only
// those that are open at the moment: a service of which every statement has arguments is
// not seen, unless its driver puts them into the text (interpolateParams=true).
// Statements inside of routines and triggers are not counted anywhere; the gate
// dependents reads their bodies.
//
// Ages are measured by the database's clock alone. In the transaction that hides, the
// register is locked and asked once more, so that an old build which starts at the
// same instant either is refused or keeps the gate shut.
//
// [Config.AssumeGone] is for the day on which somebody knows better than the evidence:
// it skips line, register, apps, writes, reads and soak, never a gate that protects
// data, and is recorded in the event log.
package contract
