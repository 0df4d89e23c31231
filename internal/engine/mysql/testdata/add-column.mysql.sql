-- migration 0001_add-column
--   add column users.age
--   add column other.note
-- rendered by mysql

-- == expand: old and new code both work afterwards ==

-- expand 1: add column users.age
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: ALTER TABLE `users` DROP COLUMN `age`
ALTER TABLE `users` ADD COLUMN `age` int NOT NULL DEFAULT 7, ALGORITHM=INSTANT;

-- expand 2: add column other.note
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: ALTER TABLE `other` DROP COLUMN `note`
ALTER TABLE `other` ADD COLUMN `note` varchar(20), ALGORITHM=INSTANT;

-- == undo: rollback, from any phase before the drop ==

-- undo 1: drop column note
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` DROP COLUMN `note`, ALGORITHM=INSTANT;

-- undo 2: drop column age
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP COLUMN `age`, ALGORITHM=INSTANT;
