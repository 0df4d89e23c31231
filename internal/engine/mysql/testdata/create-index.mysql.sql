-- migration 0001_create-index
--   create index users_gone on users
-- rendered by mysql
-- note [unique-late]: if two rows of users have the same value when the index is built, its build ends with error 1062 and nothing is changed

-- == expand: old and new code both work afterwards ==

-- expand 1: create index users_gone on users
-- lock: MetadataExclusive on `users`; lock_timeout 1s; outside a transaction
-- undo: DROP INDEX `users_gone` ON `users`
ALTER TABLE `users` ADD UNIQUE INDEX `users_gone` (gone DESC, n), ALGORITHM=INPLACE, LOCK=NONE;

-- == undo: rollback, from any phase before the drop ==

-- undo 1: drop index users_gone
-- lock: MetadataExclusive on `users`; lock_timeout 1s; outside a transaction
ALTER TABLE `users` DROP INDEX `users_gone`, ALGORITHM=INPLACE, LOCK=NONE;
