-- migration 0001_create-table
--   create table tags
--   create index tags_u on tags
--   add column tags.t
-- rendered by mysql
-- note [not-tried]: create table tags is not tried beforehand: the server would show the table to everybody
-- note [not-tried]: create index tags_u on tags is not tried beforehand: the table is created by this migration
-- note [not-tried]: add column tags.t is not tried beforehand: the table is created by this migration

-- == expand: old and new code both work afterwards ==

-- expand 1: create table tags
-- lock: MetadataExclusive on `tags`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: DROP TABLE `tags`
CREATE TABLE tags (id bigint PRIMARY KEY, u bigint);

-- expand 2: create index tags_u on tags
-- lock: MetadataExclusive on `tags`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: goes with the table
ALTER TABLE `tags` ADD INDEX `tags_u` (u);

-- expand 3: add column tags.t
-- lock: MetadataExclusive on `tags`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: goes with the table
ALTER TABLE `tags` ADD COLUMN `t` int;

-- == undo: rollback, from any phase before the drop ==

-- undo 1: drop table tags
-- lock: MetadataExclusive on `tags`; lock_timeout 1s, statement_timeout 10s; outside a transaction
DROP TABLE `tags`;
