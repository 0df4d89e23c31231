-- migration 0001_drop-unique-column
--   drop column other.code
-- rendered by mysql
-- note [stays-nullable]: until contract old code may read null from code in rows that new code wrote; after a rollback the column stays nullable
-- note [rebuild]: "make code optional, so that new code can leave it out" builds the table other anew, beside the old one: writes go on, and it takes as long as the table is large

-- == expand: old and new code both work afterwards ==

-- expand 1: make code optional, so that new code can leave it out
-- lock: MetadataExclusive on `other`; lock_timeout 1s; outside a transaction
-- undo: stays nullable after rollback: rows of new code may hold null by then
ALTER TABLE `other` MODIFY COLUMN `code` int NULL, ALGORITHM=INPLACE, LOCK=NONE;

-- == hide: contract, first half: only when every gate is met; rollback still works ==

-- hide 1: hide column code as code~hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback, or by hand: rename code~hidden back to code
ALTER TABLE `other` RENAME COLUMN `code` TO `code~hidden`, ALGORITHM=INSTANT;

-- == drop: contract, second half: the way back ends here ==

-- drop 1: drop index code of the old side
-- lock: MetadataExclusive on `other`; lock_timeout 1s; outside a transaction
ALTER TABLE `other` DROP INDEX `code`, ALGORITHM=INPLACE, LOCK=NONE;

-- drop 2: drop code~hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` DROP COLUMN `code~hidden`, ALGORITHM=INSTANT;

-- == undo: rollback, from any phase before the drop ==

-- undo 1: give column code its name back, where it was hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` RENAME COLUMN `code~hidden` TO `code`, ALGORITHM=INSTANT;
