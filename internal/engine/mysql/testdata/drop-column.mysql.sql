-- migration 0001_drop-column
--   drop column users.gone
-- rendered by mysql
-- note [temporary-default]: until contract old code reads 0 from gone in rows that new code wrote

-- == expand: old and new code both work afterwards ==

-- expand 1: make gone optional, so that new code can leave it out
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback takes the default away
ALTER TABLE `users` ALTER COLUMN `gone` SET DEFAULT 0, ALGORITHM=INSTANT;

-- == hide: contract, first half: only when every gate is met; rollback still works ==

-- hide 1: hide column gone as gone~hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback, or by hand: rename gone~hidden back to gone
ALTER TABLE `users` RENAME COLUMN `gone` TO `gone~hidden`, ALGORITHM=INSTANT;

-- == drop: contract, second half: the way back ends here ==

-- drop 1: drop gone~hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP COLUMN `gone~hidden`, ALGORITHM=INSTANT;

-- == undo: rollback, from any phase before the drop ==

-- undo 1: give column gone its name back, where it was hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` RENAME COLUMN `gone~hidden` TO `gone`, ALGORITHM=INSTANT;

-- undo 2: take the default of gone away, which it had for a while
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` ALTER COLUMN `gone` DROP DEFAULT, ALGORITHM=INSTANT;
