-- migration 0001_two-renames
--   rename column users.n to m
--   rename column other.v to w
-- rendered by mariadb

-- == expand: old and new code both work afterwards ==

-- expand 1: add column m beside n
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback drops the column
ALTER TABLE `users` ADD COLUMN `m` int(11) NULL, ALGORITHM=INSTANT;

-- expand 2: keep m in step with n
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback ends it; nothing of the old side is touched
CREATE TRIGGER `phased~2fac744e~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  IF NOT (NEW.`m` <=> NEW.`n`) THEN
    IF NOT (NEW.`m` <=> NEW.`n`) AND NEW.`m` IS NOT NULL THEN
      SET NEW.`n` = NEW.`m`;
    END IF;
    IF NOT (NEW.`m` <=> NEW.`n`) THEN
      SET NEW.`m` = NEW.`n`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~2fac744e~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  IF NOT (NEW.`m` <=> NEW.`n`) THEN
    IF NOT (NEW.`m` <=> NEW.`n`) AND NOT (NEW.`m` <=> OLD.`m`) THEN
      SET NEW.`n` = NEW.`m`;
    END IF;
    IF NOT (NEW.`m` <=> NEW.`n`) THEN
      SET NEW.`m` = NEW.`n`;
    END IF;
  END IF;
END;

-- expand 3: add column w beside v
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback drops the column
ALTER TABLE `other` ADD COLUMN `w` varchar(20) NULL, ALGORITHM=INSTANT;

-- expand 4: keep w in step with v
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback ends it; nothing of the old side is touched
CREATE TRIGGER `phased~a211aa42~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) AND NEW.`w` IS NOT NULL THEN
      SET NEW.`v` = NEW.`w`;
    END IF;
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~a211aa42~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
      SET NEW.`v` = NEW.`w`;
    END IF;
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v`;
    END IF;
  END IF;
END;

-- == backfill: throttled batches, each its own transaction ==
-- .users: m follows from n, in the order of (id)
-- .other: w follows from v, in the order of (id)

-- == finish: after the backfill, online: what the new side still lacks ==

-- finish 1: build index part~new
-- lock: MetadataExclusive on `users`; lock_timeout 1s; outside a transaction
-- undo: rollback drops it
ALTER TABLE `users` ADD INDEX `part~new` (`m`,`email`(5)), ALGORITHM=NOCOPY, LOCK=NONE;

-- == hide: contract, first half: only when every gate is met; rollback still works ==

-- hide 1: hold the name n~hidden, under which n will be hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback drops it
ALTER TABLE `users` ADD COLUMN `n~hidden` int(11) NULL INVISIBLE COMMENT 'phased: temporary name', ALGORITHM=INSTANT;

-- hide 2: make the sync work under both names, n and n~hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: the next change of the sync replaces it
CREATE TRIGGER `phased~a3a3e6a9~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`n` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n`) AND NEW.`m` IS NOT NULL THEN
      SET NEW.`n` = NEW.`m`;
    END IF;
  ELSE
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) AND NEW.`m` IS NOT NULL THEN
      SET NEW.`n~hidden` = NEW.`m`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n`) THEN
      SET NEW.`m` = NEW.`n`;
    END IF;
  ELSE
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) THEN
      SET NEW.`m` = NEW.`n~hidden`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~a3a3e6a9~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`n` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n`) AND NOT (NEW.`m` <=> OLD.`m`) THEN
      SET NEW.`n` = NEW.`m`;
    END IF;
  ELSE
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) AND NOT (NEW.`m` <=> OLD.`m`) THEN
      SET NEW.`n~hidden` = NEW.`m`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n`) THEN
      SET NEW.`m` = NEW.`n`;
    END IF;
  ELSE
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) THEN
      SET NEW.`m` = NEW.`n~hidden`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~2fac744e~users~u`;
DROP TRIGGER IF EXISTS `phased~2fac744e~users~i`;

-- hide 3: hide column n as n~hidden; the sync goes on
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback gives n its name back
ALTER TABLE `users` DROP COLUMN `n~hidden`, RENAME COLUMN `n` TO `n~hidden`, ALGORITHM=INSTANT;

-- hide 4: make the sync work under the name n~hidden alone
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback makes it work under both names first
CREATE TRIGGER `phased~43d23aff~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  IF NOT (NEW.`m` <=> NEW.`n~hidden`) THEN
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) AND NEW.`m` IS NOT NULL THEN
      SET NEW.`n~hidden` = NEW.`m`;
    END IF;
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) THEN
      SET NEW.`m` = NEW.`n~hidden`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~43d23aff~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  IF NOT (NEW.`m` <=> NEW.`n~hidden`) THEN
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) AND NOT (NEW.`m` <=> OLD.`m`) THEN
      SET NEW.`n~hidden` = NEW.`m`;
    END IF;
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) THEN
      SET NEW.`m` = NEW.`n~hidden`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~a3a3e6a9~users~u`;
DROP TRIGGER IF EXISTS `phased~a3a3e6a9~users~i`;

-- hide 5: hold the name v~hidden, under which v will be hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback drops it
ALTER TABLE `other` ADD COLUMN `v~hidden` varchar(20) NULL INVISIBLE COMMENT 'phased: temporary name', ALGORITHM=INSTANT;

-- hide 6: make the sync work under both names, v and v~hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: the next change of the sync replaces it
CREATE TRIGGER `phased~3ce3afd7~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`v` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) AND NEW.`w` IS NOT NULL THEN
      SET NEW.`v` = NEW.`w`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) AND NEW.`w` IS NOT NULL THEN
      SET NEW.`v~hidden` = NEW.`w`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v~hidden`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~3ce3afd7~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`v` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
      SET NEW.`v` = NEW.`w`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
      SET NEW.`v~hidden` = NEW.`w`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v~hidden`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~a211aa42~other~u`;
DROP TRIGGER IF EXISTS `phased~a211aa42~other~i`;

-- hide 7: hide column v as v~hidden; the sync goes on
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback gives v its name back
ALTER TABLE `other` DROP COLUMN `v~hidden`, RENAME COLUMN `v` TO `v~hidden`, ALGORITHM=INSTANT;

-- hide 8: make the sync work under the name v~hidden alone
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback makes it work under both names first
CREATE TRIGGER `phased~00f2169f~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) AND NEW.`w` IS NOT NULL THEN
      SET NEW.`v~hidden` = NEW.`w`;
    END IF;
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v~hidden`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~00f2169f~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
      SET NEW.`v~hidden` = NEW.`w`;
    END IF;
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v~hidden`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~3ce3afd7~other~u`;
DROP TRIGGER IF EXISTS `phased~3ce3afd7~other~i`;

-- == drop: contract, second half: the way back ends here ==

-- drop 1: drop index part of the old side
-- lock: MetadataExclusive on `users`; lock_timeout 1s; outside a transaction
ALTER TABLE `users` DROP INDEX `part`, ALGORITHM=NOCOPY, LOCK=NONE;

-- drop 2: end the sync of m and n~hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
DROP TRIGGER IF EXISTS `phased~43d23aff~users~u`;
DROP TRIGGER IF EXISTS `phased~43d23aff~users~i`;

-- drop 3: drop n~hidden, the old side
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP COLUMN `n~hidden`, ALGORITHM=INSTANT;

-- drop 4: give index part~new the name part
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` RENAME INDEX `part~new` TO `part`, ALGORITHM=INSTANT;

-- drop 5: end the sync of w and v~hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
DROP TRIGGER IF EXISTS `phased~00f2169f~other~u`;
DROP TRIGGER IF EXISTS `phased~00f2169f~other~i`;

-- drop 6: drop v~hidden, the old side
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` DROP COLUMN `v~hidden`, ALGORITHM=INSTANT;

-- == undo: rollback, from any phase before the drop ==

-- undo 1: hold the name v again, where it was hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` ADD COLUMN `v` varchar(20) NULL INVISIBLE COMMENT 'phased: temporary name', ALGORITHM=INSTANT;

-- undo 2: make the sync work under both names, v~hidden and v
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~ee9a0552~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`v~hidden` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) AND NEW.`w` IS NOT NULL THEN
      SET NEW.`v~hidden` = NEW.`w`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) AND NEW.`w` IS NOT NULL THEN
      SET NEW.`v` = NEW.`w`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v~hidden`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~ee9a0552~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`v~hidden` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
      SET NEW.`v~hidden` = NEW.`w`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
      SET NEW.`v` = NEW.`w`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v~hidden` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v~hidden`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~00f2169f~other~u`;
DROP TRIGGER IF EXISTS `phased~00f2169f~other~i`;

-- undo 3: give column v its name back, where it was hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` DROP COLUMN `v`, RENAME COLUMN `v~hidden` TO `v`, ALGORITHM=INSTANT;

-- undo 4: make the sync work under the name v alone
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~a211aa42~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) AND NEW.`w` IS NOT NULL THEN
      SET NEW.`v` = NEW.`w`;
    END IF;
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~a211aa42~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
      SET NEW.`v` = NEW.`w`;
    END IF;
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~ee9a0552~other~u`;
DROP TRIGGER IF EXISTS `phased~ee9a0552~other~i`;

-- undo 5: drop v~hidden, where it only held the name
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` DROP COLUMN `v~hidden`, ALGORITHM=INSTANT;

-- undo 6: make the sync of w and v work with and without w
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~9dc69a2f~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`w` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) AND NEW.`w` IS NOT NULL THEN
      SET NEW.`v` = NEW.`w`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~9dc69a2f~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`w` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
      SET NEW.`v` = NEW.`w`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`w` AS BINARY) <=> CAST(NEW.`v` AS BINARY)) THEN
      SET NEW.`w` = NEW.`v`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~a211aa42~other~u`;
DROP TRIGGER IF EXISTS `phased~a211aa42~other~i`;

-- undo 7: drop the new column w
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` DROP COLUMN `w`, ALGORITHM=INSTANT;

-- undo 8: end the sync of w and v
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
DROP TRIGGER IF EXISTS `phased~9dc69a2f~other~u`;
DROP TRIGGER IF EXISTS `phased~9dc69a2f~other~i`;

-- undo 9: hold the name n again, where it was hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` ADD COLUMN `n` int(11) NULL INVISIBLE COMMENT 'phased: temporary name', ALGORITHM=INSTANT;

-- undo 10: make the sync work under both names, n~hidden and n
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~aa2f490b~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`n~hidden` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) AND NEW.`m` IS NOT NULL THEN
      SET NEW.`n~hidden` = NEW.`m`;
    END IF;
  ELSE
    IF NOT (NEW.`m` <=> NEW.`n`) AND NEW.`m` IS NOT NULL THEN
      SET NEW.`n` = NEW.`m`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) THEN
      SET NEW.`m` = NEW.`n~hidden`;
    END IF;
  ELSE
    IF NOT (NEW.`m` <=> NEW.`n`) THEN
      SET NEW.`m` = NEW.`n`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~aa2f490b~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`n~hidden` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) AND NOT (NEW.`m` <=> OLD.`m`) THEN
      SET NEW.`n~hidden` = NEW.`m`;
    END IF;
  ELSE
    IF NOT (NEW.`m` <=> NEW.`n`) AND NOT (NEW.`m` <=> OLD.`m`) THEN
      SET NEW.`n` = NEW.`m`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n~hidden`) THEN
      SET NEW.`m` = NEW.`n~hidden`;
    END IF;
  ELSE
    IF NOT (NEW.`m` <=> NEW.`n`) THEN
      SET NEW.`m` = NEW.`n`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~43d23aff~users~u`;
DROP TRIGGER IF EXISTS `phased~43d23aff~users~i`;

-- undo 11: give column n its name back, where it was hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP COLUMN `n`, RENAME COLUMN `n~hidden` TO `n`, ALGORITHM=INSTANT;

-- undo 12: make the sync work under the name n alone
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~2fac744e~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  IF NOT (NEW.`m` <=> NEW.`n`) THEN
    IF NOT (NEW.`m` <=> NEW.`n`) AND NEW.`m` IS NOT NULL THEN
      SET NEW.`n` = NEW.`m`;
    END IF;
    IF NOT (NEW.`m` <=> NEW.`n`) THEN
      SET NEW.`m` = NEW.`n`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~2fac744e~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  IF NOT (NEW.`m` <=> NEW.`n`) THEN
    IF NOT (NEW.`m` <=> NEW.`n`) AND NOT (NEW.`m` <=> OLD.`m`) THEN
      SET NEW.`n` = NEW.`m`;
    END IF;
    IF NOT (NEW.`m` <=> NEW.`n`) THEN
      SET NEW.`m` = NEW.`n`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~aa2f490b~users~u`;
DROP TRIGGER IF EXISTS `phased~aa2f490b~users~i`;

-- undo 13: drop n~hidden, where it only held the name
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP COLUMN `n~hidden`, ALGORITHM=INSTANT;

-- undo 14: make the sync of m and n work with and without m
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~87076662~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`m` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n`) AND NEW.`m` IS NOT NULL THEN
      SET NEW.`n` = NEW.`m`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n`) THEN
      SET NEW.`m` = NEW.`n`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~87076662~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`m` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n`) AND NOT (NEW.`m` <=> OLD.`m`) THEN
      SET NEW.`n` = NEW.`m`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (NEW.`m` <=> NEW.`n`) THEN
      SET NEW.`m` = NEW.`n`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~2fac744e~users~u`;
DROP TRIGGER IF EXISTS `phased~2fac744e~users~i`;

-- undo 15: drop index part~new
-- lock: MetadataExclusive on `users`; lock_timeout 1s; outside a transaction
ALTER TABLE `users` DROP INDEX `part~new`, ALGORITHM=NOCOPY, LOCK=NONE;

-- undo 16: drop the new column m
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP COLUMN `m`, ALGORITHM=INSTANT;

-- undo 17: end the sync of m and n
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
DROP TRIGGER IF EXISTS `phased~87076662~users~u`;
DROP TRIGGER IF EXISTS `phased~87076662~users~i`;
