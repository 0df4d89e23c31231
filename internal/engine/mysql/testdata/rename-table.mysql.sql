-- migration 0001_rename-table
--   rename table posts to articles
-- rendered by mysql
-- note [copy-into-view]: until contract articles is a view: SELECT, INSERT, UPDATE, DELETE and ON DUPLICATE KEY UPDATE work through it; TRUNCATE, ALTER TABLE and new foreign keys to it do not

-- == expand: old and new code both work afterwards ==

-- expand 1: show posts under its new name articles, as an updatable view
-- lock: MetadataExclusive on `articles`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: DROP VIEW `articles`
CREATE ALGORITHM = MERGE SQL SECURITY INVOKER VIEW `articles` AS SELECT `id`, `title` FROM `posts`;

-- == hide: contract, first half: only when every gate is met; rollback still works ==

-- hide 1: swap: posts takes the name articles, the view goes aside
-- lock: MetadataExclusive on `posts`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback swaps them back
RENAME TABLE `articles` TO `articles~hidden`, `posts` TO `articles`;

-- == drop: contract, second half: the way back ends here ==

-- drop 1: drop the view that showed the table under two names
-- lock: MetadataExclusive on `articles~hidden`; lock_timeout 1s, statement_timeout 10s; outside a transaction
DROP VIEW `articles~hidden`;

-- == undo: rollback, from any phase before the drop ==

-- undo 1: give the table its name posts back, where it was swapped
-- lock: MetadataExclusive on `articles`; lock_timeout 1s, statement_timeout 10s; outside a transaction
RENAME TABLE `articles` TO `posts`, `articles~hidden` TO `articles`;

-- undo 2: drop the view articles
-- lock: MetadataExclusive on `articles`; lock_timeout 1s, statement_timeout 10s; outside a transaction
DROP VIEW `articles`;
