-- migration 0001_rename-column
--   rename column users.email to email_address
-- rendered by mariadb
-- note [temporary-default]: users.email must be given by every insert; from expand until contract an insert that leaves it out gets the default '' instead of an error
-- note [unique-late]: index u~new is unique: if two rows of new code's have the same value by then, its build ends with error 1062 and is tried again
-- note [foreign-key-not-scanned]: foreign key f~new is added without looking at the rows, which would block writes: email_address is in step with email, which has that key

-- == expand: old and new code both work afterwards ==

-- expand 1: give email a default for a while, so that new code's inserts can leave it out
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback takes the default away
ALTER TABLE `users` ALTER COLUMN `email` SET DEFAULT '', ALGORITHM=INSTANT;

-- expand 2: add column email_address beside email
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback drops the column
ALTER TABLE `users` ADD COLUMN `email_address` varchar(50) NOT NULL DEFAULT X'01' COMMENT 'mail', ALGORITHM=INSTANT;

-- expand 3: carry what old code writes to email_address
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback ends it; nothing of the old side is touched
CREATE TRIGGER `phased~5dd8c8c3~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~5dd8c8c3~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(OLD.`email_address` AS BINARY)) THEN
      SET NEW.`email` = NEW.`email_address`;
    END IF;
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  END IF;
END;

-- expand 4: give email_address its default for new rows
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback drops the column
ALTER TABLE `users` ALTER COLUMN `email_address` SET DEFAULT '', ALGORITHM=INSTANT;

-- expand 5: keep email_address in step with email
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback ends it; nothing of the old side is touched
CREATE TRIGGER `phased~55c7c4fa~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(CONVERT('' USING utf8mb4) AS BINARY)) THEN
      SET NEW.`email` = NEW.`email_address`;
    END IF;
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~55c7c4fa~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(OLD.`email_address` AS BINARY)) THEN
      SET NEW.`email` = NEW.`email_address`;
    END IF;
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~5dd8c8c3~users~u`;
DROP TRIGGER IF EXISTS `phased~5dd8c8c3~users~i`;

-- == backfill: throttled batches, each its own transaction ==
-- .users: email_address follows from email, in the order of (id)

-- == finish: after the backfill, online: what the new side still lacks ==

-- finish 1: build index part~new
-- lock: MetadataExclusive on `users`; lock_timeout 1s; outside a transaction
-- undo: rollback drops it
ALTER TABLE `users` ADD INDEX `part~new` (`n`,`email_address`(5)), ALGORITHM=NOCOPY, LOCK=NONE;

-- finish 2: build index u~new
-- lock: MetadataExclusive on `users`; lock_timeout 1s; outside a transaction
-- undo: rollback drops it
ALTER TABLE `users` ADD UNIQUE INDEX `u~new` (`email_address`), ALGORITHM=NOCOPY, LOCK=NONE;

-- finish 3: add foreign key f~new, which the old column's proves
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback drops it
SET SESSION foreign_key_checks = 0;
ALTER TABLE `users` ADD CONSTRAINT `f~new` FOREIGN KEY (`email_address`) REFERENCES `domains` (`name`) ON DELETE CASCADE, ALGORITHM=INSTANT;

-- == hide: contract, first half: only when every gate is met; rollback still works ==

-- hide 1: hold the name email~hidden, under which email will be hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback drops it
ALTER TABLE `users` ADD COLUMN `email~hidden` varchar(50) NULL INVISIBLE COMMENT 'phased: temporary name', ALGORITHM=INSTANT;

-- hide 2: make the sync work under both names, email and email~hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: the next change of the sync replaces it
CREATE TRIGGER `phased~7f42698d~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`email` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(CONVERT('' USING utf8mb4) AS BINARY)) THEN
      SET NEW.`email` = NEW.`email_address`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(CONVERT('' USING utf8mb4) AS BINARY)) THEN
      SET NEW.`email~hidden` = NEW.`email_address`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email~hidden`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~7f42698d~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`email` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(OLD.`email_address` AS BINARY)) THEN
      SET NEW.`email` = NEW.`email_address`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(OLD.`email_address` AS BINARY)) THEN
      SET NEW.`email~hidden` = NEW.`email_address`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email~hidden`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~55c7c4fa~users~u`;
DROP TRIGGER IF EXISTS `phased~55c7c4fa~users~i`;

-- hide 3: hide column email as email~hidden; the sync goes on
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback gives email its name back
ALTER TABLE `users` DROP COLUMN `email~hidden`, RENAME COLUMN `email` TO `email~hidden`, ALGORITHM=INSTANT;

-- hide 4: make the sync work under the name email~hidden alone
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback makes it work under both names first
CREATE TRIGGER `phased~694ac3e5~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(CONVERT('' USING utf8mb4) AS BINARY)) THEN
      SET NEW.`email~hidden` = NEW.`email_address`;
    END IF;
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email~hidden`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~694ac3e5~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(OLD.`email_address` AS BINARY)) THEN
      SET NEW.`email~hidden` = NEW.`email_address`;
    END IF;
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email~hidden`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~7f42698d~users~u`;
DROP TRIGGER IF EXISTS `phased~7f42698d~users~i`;

-- == drop: contract, second half: the way back ends here ==

-- drop 1: drop foreign key f of the old side
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP FOREIGN KEY `f`, ALGORITHM=INSTANT;

-- drop 2: drop index part of the old side
-- lock: MetadataExclusive on `users`; lock_timeout 1s; outside a transaction
ALTER TABLE `users` DROP INDEX `part`, ALGORITHM=NOCOPY, LOCK=NONE;

-- drop 3: drop index u of the old side
-- lock: MetadataExclusive on `users`; lock_timeout 1s; outside a transaction
ALTER TABLE `users` DROP INDEX `u`, ALGORITHM=NOCOPY, LOCK=NONE;

-- drop 4: end the sync of email_address and email~hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
DROP TRIGGER IF EXISTS `phased~694ac3e5~users~u`;
DROP TRIGGER IF EXISTS `phased~694ac3e5~users~i`;

-- drop 5: drop email~hidden, the old side
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP COLUMN `email~hidden`, ALGORITHM=INSTANT;

-- drop 6: give index part~new the name part
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` RENAME INDEX `part~new` TO `part`, ALGORITHM=INSTANT;

-- drop 7: give index u~new the name u
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` RENAME INDEX `u~new` TO `u`, ALGORITHM=INSTANT;

-- drop 8: give foreign key f~new the name f
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
SET SESSION foreign_key_checks = 0;
ALTER TABLE `users` DROP FOREIGN KEY `f~new`, ADD CONSTRAINT `f` FOREIGN KEY (`email_address`) REFERENCES `domains` (`name`) ON DELETE CASCADE, ALGORITHM=INSTANT;

-- drop 9: take the default of email_address away, which it had for a while
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` ALTER COLUMN `email_address` DROP DEFAULT, ALGORITHM=INSTANT;

-- == undo: rollback, from any phase before the drop ==

-- undo 1: hold the name email again, where it was hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` ADD COLUMN `email` varchar(50) NULL INVISIBLE COMMENT 'phased: temporary name', ALGORITHM=INSTANT;

-- undo 2: make the sync work under both names, email~hidden and email
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~931cef70~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`email~hidden` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(CONVERT('' USING utf8mb4) AS BINARY)) THEN
      SET NEW.`email~hidden` = NEW.`email_address`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(CONVERT('' USING utf8mb4) AS BINARY)) THEN
      SET NEW.`email` = NEW.`email_address`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email~hidden`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~931cef70~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`email~hidden` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(OLD.`email_address` AS BINARY)) THEN
      SET NEW.`email~hidden` = NEW.`email_address`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(OLD.`email_address` AS BINARY)) THEN
      SET NEW.`email` = NEW.`email_address`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email~hidden` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email~hidden`;
    END IF;
  ELSE
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~694ac3e5~users~u`;
DROP TRIGGER IF EXISTS `phased~694ac3e5~users~i`;

-- undo 3: give column email its name back, where it was hidden
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP COLUMN `email`, RENAME COLUMN `email~hidden` TO `email`, ALGORITHM=INSTANT;

-- undo 4: make the sync work under the name email alone
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~55c7c4fa~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(CONVERT('' USING utf8mb4) AS BINARY)) THEN
      SET NEW.`email` = NEW.`email_address`;
    END IF;
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~55c7c4fa~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(OLD.`email_address` AS BINARY)) THEN
      SET NEW.`email` = NEW.`email_address`;
    END IF;
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~931cef70~users~u`;
DROP TRIGGER IF EXISTS `phased~931cef70~users~i`;

-- undo 5: drop email~hidden, where it only held the name
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP COLUMN `email~hidden`, ALGORITHM=INSTANT;

-- undo 6: make the sync of email_address and email work with and without email_address
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~04a32c1a~users~i` BEFORE INSERT ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`email_address` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(CONVERT('' USING utf8mb4) AS BINARY)) THEN
      SET NEW.`email` = NEW.`email_address`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  END IF;
END;
CREATE TRIGGER `phased~04a32c1a~users~u` BEFORE UPDATE ON `users` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`email_address` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) AND NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(OLD.`email_address` AS BINARY)) THEN
      SET NEW.`email` = NEW.`email_address`;
    END IF;
  END IF;
  IF `phased name 0` = 0 THEN
    IF NOT (CAST(NEW.`email_address` AS BINARY) <=> CAST(NEW.`email` AS BINARY)) THEN
      SET NEW.`email_address` = NEW.`email`;
    END IF;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~55c7c4fa~users~u`;
DROP TRIGGER IF EXISTS `phased~55c7c4fa~users~i`;

-- undo 7: drop foreign key f~new
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP FOREIGN KEY `f~new`, ALGORITHM=INSTANT;

-- undo 8: drop index part~new
-- lock: MetadataExclusive on `users`; lock_timeout 1s; outside a transaction
ALTER TABLE `users` DROP INDEX `part~new`, ALGORITHM=NOCOPY, LOCK=NONE;

-- undo 9: drop index u~new
-- lock: MetadataExclusive on `users`; lock_timeout 1s; outside a transaction
ALTER TABLE `users` DROP INDEX `u~new`, ALGORITHM=NOCOPY, LOCK=NONE;

-- undo 10: drop the new column email_address
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` DROP COLUMN `email_address`, ALGORITHM=INSTANT;

-- undo 11: end the sync of email_address and email
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
DROP TRIGGER IF EXISTS `phased~04a32c1a~users~u`;
DROP TRIGGER IF EXISTS `phased~04a32c1a~users~i`;

-- undo 12: take the default of email away, which it had for a while
-- lock: MetadataExclusive on `users`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `users` ALTER COLUMN `email` DROP DEFAULT, ALGORITHM=INSTANT;
