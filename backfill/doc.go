// Package backfill fills the new side of a schema change, while old and new code
// both go on writing.
//
// # At a service's start
//
// Any replica carries on any unfinished backfill, also of migrations that it has
// never seen: everything it needs is in the database.
//
//	go backfill.Work(ctx, db, backfill.Config{}) // until ctx is done
//
// In a job or on the command line:
//
//	report, err := backfill.Run(ctx, db, backfill.Config{}) // until nothing is left
//
// # What one backfill does
//
// A worker claims it (a lease with a token, on the database's clock), walks the table
// along its key in chunks, runs what the plan has for the time after the walk (the
// new side's indexes and constraints), counts the rows that are out of step, and
// records zero. The migration is verified when all its backfills are complete. A
// worker that dies anywhere is followed by another one, which asks what is done
// already; one that was only stopped for a while and comes back changes nothing,
// because the transaction that writes a chunk checks the token first.
//
// A chunk is one transaction: the token, the rows, the cursor. Progress can therefore
// not disagree with the rows, and commits need not wait for the disk on PostgreSQL. There
// it is sent as one message, so a client that stops never sits on row locks; MySQL and
// MariaDB end the session of one that says nothing for 5 s in between. Its size follows
// [Config.Target]. Chunks wait for locked rows, but shortly, and give way.
//
// # Slowing it down and stopping it
//
// A [Throttle] is asked before every chunk. Pausing by hand is an update of the
// database (expand.Pause, or `phased pause`): after it has returned, nothing is
// written any more. Both are seen in [Status], in Config.OnProgress, and by any SQL
// client in the tables phased.fill and phased.poison (phased_fill and phased_poison on
// MySQL and MariaDB).
//
// # Rows that cannot be written
//
// Where a row's own content is at fault (a constraint, an expression that raises),
// the chunk is cut in halves until the row is found. It is recorded with its key and error, every
// other row is filled, and [Run] returns a [PoisonError]. The migration stays where
// it is, and contract stays shut, until the row is mended or deleted and the
// backfill has run again: that tries the recorded rows only. More than a thousand such
// rows stop the walk.
//
// # Why no row is missed
//
// One thing is given: from the end of the expand phase on, every row version that
// anybody writes is in step when it is written, whichever columns the statement
// changed. The sync asks "in step?" on every insert and update, and the step that
// created it waited for all writers that had begun before.
//
// So only row versions from before can be out of step, and the walk need only meet
// those. Take a row version from before that nobody has touched since. Its key is what it was then.
// The end of the walk was read after expand, when this version was there, so its key
// is not behind the end. The chunks cover every key from the first to the end without a gap:
// each begins, exclusively, where the one before ended, inclusively, by the
// comparison operators of the index that the keys are read in order of. So one
// chunk's range holds the key, and that chunk's statement sees the row, because it
// was committed long before. If the row is locked by somebody, the statement waits,
// it does not pass over.
//
// Now take a row that was touched. The version that is there now was written after
// expand: it is in step by what is given, wherever it moved, be it behind the cursor or
// to a partition that was already walked. Rows behind the end were inserted after
// expand, and are in step for the same reason.
//
// The verification does not rely on any of this. It counts the rows of the whole table
// that are out of step, by the same predicate as the sync, in one snapshot. If the
// argument has a hole, or something wrote past the sync (a disabled trigger, a
// partition attached with rows in it), it finds the rows; they are repaired by another pass,
// and only a count of zero completes the backfill.
package backfill
