-- migration 0001_rename-column-expressions
--   rename column other.v to w
-- rendered by mariadb

-- == expand: old and new code both work afterwards ==

-- expand 1: add column w beside v
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback drops the column
ALTER TABLE `other` ADD COLUMN `w` varchar(20) NULL, ALGORITHM=INSTANT;

-- expand 2: keep w in step with v
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback ends it; nothing of the old side is touched
CREATE TRIGGER `phased~7fd7a7f4~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND NEW.`w` IS NOT NULL THEN
      IF NOT `phased down ok` THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
      END IF;
      SET NEW.`v` = `phased down`;
    END IF;
  END;
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND `phased up ok` THEN
      SET NEW.`w` = `phased up`;
    END IF;
  END;
END;
CREATE TRIGGER `phased~7fd7a7f4~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
      IF NOT `phased down ok` THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
      END IF;
      SET NEW.`v` = `phased down`;
    END IF;
  END;
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND `phased up ok` THEN
      SET NEW.`w` = `phased up`;
    END IF;
  END;
END;

-- == backfill: throttled batches, each its own transaction ==
-- .other: w follows from v, in the order of (id)

-- == hide: contract, first half: only when every gate is met; rollback still works ==

-- hide 1: hold the name v~hidden, under which v will be hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback drops it
ALTER TABLE `other` ADD COLUMN `v~hidden` varchar(20) NULL INVISIBLE COMMENT 'phased: temporary name', ALGORITHM=INSTANT;

-- hide 2: make the sync work under both names, v and v~hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: the next change of the sync replaces it
CREATE TRIGGER `phased~91651fca~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`v` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND NEW.`w` IS NOT NULL THEN
        IF NOT `phased down ok` THEN
          SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
        END IF;
        SET NEW.`v` = `phased down`;
      END IF;
    END;
  ELSE
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v~hidden`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND NEW.`w` IS NOT NULL THEN
        IF NOT `phased down ok` THEN
          SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
        END IF;
        SET NEW.`v~hidden` = `phased down`;
      END IF;
    END;
  END IF;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND `phased up ok` THEN
        SET NEW.`w` = `phased up`;
      END IF;
    END;
  ELSE
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v~hidden`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND `phased up ok` THEN
        SET NEW.`w` = `phased up`;
      END IF;
    END;
  END IF;
END;
CREATE TRIGGER `phased~91651fca~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`v` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
        IF NOT `phased down ok` THEN
          SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
        END IF;
        SET NEW.`v` = `phased down`;
      END IF;
    END;
  ELSE
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v~hidden`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
        IF NOT `phased down ok` THEN
          SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
        END IF;
        SET NEW.`v~hidden` = `phased down`;
      END IF;
    END;
  END IF;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND `phased up ok` THEN
        SET NEW.`w` = `phased up`;
      END IF;
    END;
  ELSE
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v~hidden`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND `phased up ok` THEN
        SET NEW.`w` = `phased up`;
      END IF;
    END;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~7fd7a7f4~other~u`;
DROP TRIGGER IF EXISTS `phased~7fd7a7f4~other~i`;

-- hide 3: hide column v as v~hidden; the sync goes on
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback gives v its name back
ALTER TABLE `other` DROP COLUMN `v~hidden`, RENAME COLUMN `v` TO `v~hidden`, ALGORITHM=INSTANT;

-- hide 4: make the sync work under the name v~hidden alone
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
-- undo: rollback makes it work under both names first
CREATE TRIGGER `phased~88247b48~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v~hidden`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND NEW.`w` IS NOT NULL THEN
      IF NOT `phased down ok` THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
      END IF;
      SET NEW.`v~hidden` = `phased down`;
    END IF;
  END;
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v~hidden`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND `phased up ok` THEN
      SET NEW.`w` = `phased up`;
    END IF;
  END;
END;
CREATE TRIGGER `phased~88247b48~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v~hidden`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
      IF NOT `phased down ok` THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
      END IF;
      SET NEW.`v~hidden` = `phased down`;
    END IF;
  END;
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v~hidden`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND `phased up ok` THEN
      SET NEW.`w` = `phased up`;
    END IF;
  END;
END;
DROP TRIGGER IF EXISTS `phased~91651fca~other~u`;
DROP TRIGGER IF EXISTS `phased~91651fca~other~i`;

-- == drop: contract, second half: the way back ends here ==

-- drop 1: end the sync of w and v~hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
DROP TRIGGER IF EXISTS `phased~88247b48~other~u`;
DROP TRIGGER IF EXISTS `phased~88247b48~other~i`;

-- drop 2: drop v~hidden, the old side
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` DROP COLUMN `v~hidden`, ALGORITHM=INSTANT;

-- == undo: rollback, from any phase before the drop ==

-- undo 1: hold the name v again, where it was hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` ADD COLUMN `v` varchar(20) NULL INVISIBLE COMMENT 'phased: temporary name', ALGORITHM=INSTANT;

-- undo 2: make the sync work under both names, v~hidden and v
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~3198262b~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`v~hidden` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v~hidden`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND NEW.`w` IS NOT NULL THEN
        IF NOT `phased down ok` THEN
          SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
        END IF;
        SET NEW.`v~hidden` = `phased down`;
      END IF;
    END;
  ELSE
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND NEW.`w` IS NOT NULL THEN
        IF NOT `phased down ok` THEN
          SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
        END IF;
        SET NEW.`v` = `phased down`;
      END IF;
    END;
  END IF;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v~hidden`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND `phased up ok` THEN
        SET NEW.`w` = `phased up`;
      END IF;
    END;
  ELSE
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND `phased up ok` THEN
        SET NEW.`w` = `phased up`;
      END IF;
    END;
  END IF;
END;
CREATE TRIGGER `phased~3198262b~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`v~hidden` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v~hidden`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
        IF NOT `phased down ok` THEN
          SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
        END IF;
        SET NEW.`v~hidden` = `phased down`;
      END IF;
    END;
  ELSE
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
        IF NOT `phased down ok` THEN
          SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
        END IF;
        SET NEW.`v` = `phased down`;
      END IF;
    END;
  END IF;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v~hidden`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v~hidden` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND `phased up ok` THEN
        SET NEW.`w` = `phased up`;
      END IF;
    END;
  ELSE
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND `phased up ok` THEN
        SET NEW.`w` = `phased up`;
      END IF;
    END;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~88247b48~other~u`;
DROP TRIGGER IF EXISTS `phased~88247b48~other~i`;

-- undo 3: give column v its name back, where it was hidden
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` DROP COLUMN `v`, RENAME COLUMN `v~hidden` TO `v`, ALGORITHM=INSTANT;

-- undo 4: make the sync work under the name v alone
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~7fd7a7f4~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND NEW.`w` IS NOT NULL THEN
      IF NOT `phased down ok` THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
      END IF;
      SET NEW.`v` = `phased down`;
    END IF;
  END;
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND `phased up ok` THEN
      SET NEW.`w` = `phased up`;
    END IF;
  END;
END;
CREATE TRIGGER `phased~7fd7a7f4~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
      IF NOT `phased down ok` THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
      END IF;
      SET NEW.`v` = `phased down`;
    END IF;
  END;
  BEGIN
    DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
    DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
      SET `phased up` = (lower(NEW.`v`));
    END;
    BEGIN
      DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
      SET `phased down` = (upper(NEW.`w`));
    END;
    SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
    IF NOT `phased in step` AND `phased up ok` THEN
      SET NEW.`w` = `phased up`;
    END IF;
  END;
END;
DROP TRIGGER IF EXISTS `phased~3198262b~other~u`;
DROP TRIGGER IF EXISTS `phased~3198262b~other~i`;

-- undo 5: drop v~hidden, where it only held the name
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` DROP COLUMN `v~hidden`, ALGORITHM=INSTANT;

-- undo 6: make the sync of w and v work with and without w
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
CREATE TRIGGER `phased~bcade974~other~i` BEFORE INSERT ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`w` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND NEW.`w` IS NOT NULL THEN
        IF NOT `phased down ok` THEN
          SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
        END IF;
        SET NEW.`v` = `phased down`;
      END IF;
    END;
  END IF;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND `phased up ok` THEN
        SET NEW.`w` = `phased up`;
      END IF;
    END;
  END IF;
END;
CREATE TRIGGER `phased~bcade974~other~u` BEFORE UPDATE ON `other` FOR EACH ROW BEGIN
  DECLARE `phased name 0` TINYINT DEFAULT 0;
  BEGIN
    DECLARE EXIT HANDLER FOR 1054 SET `phased name 0` = 1;
    IF NEW.`w` IS NULL THEN
      SET `phased name 0` = 0;
    END IF;
  END;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND NOT (CAST(NEW.`w` AS BINARY) <=> CAST(OLD.`w` AS BINARY)) THEN
        IF NOT `phased down ok` THEN
          SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'phased: migration 0001_rename-column-expressions: the value of w cannot be carried down to v, which old code still reads';
        END IF;
        SET NEW.`v` = `phased down`;
      END IF;
    END;
  END IF;
  IF `phased name 0` = 0 THEN
    BEGIN
      DECLARE `phased up` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased down` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
      DECLARE `phased up ok`, `phased down ok`, `phased in step` TINYINT DEFAULT 1;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased up ok` = 0;
        SET `phased up` = (lower(NEW.`v`));
      END;
      BEGIN
        DECLARE EXIT HANDLER FOR SQLEXCEPTION SET `phased down ok` = 0;
        SET `phased down` = (upper(NEW.`w`));
      END;
      SET `phased in step` = (`phased up ok` AND CAST(NEW.`w` AS BINARY) <=> CAST(`phased up` AS BINARY)) OR (`phased down ok` AND CAST(NEW.`v` AS BINARY) <=> CAST(`phased down` AS BINARY) AND (NEW.`w` IS NOT NULL OR (`phased up ok` AND `phased up` IS NULL)));
      IF NOT `phased in step` AND `phased up ok` THEN
        SET NEW.`w` = `phased up`;
      END IF;
    END;
  END IF;
END;
DROP TRIGGER IF EXISTS `phased~7fd7a7f4~other~u`;
DROP TRIGGER IF EXISTS `phased~7fd7a7f4~other~i`;

-- undo 7: drop the new column w
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
ALTER TABLE `other` DROP COLUMN `w`, ALGORITHM=INSTANT;

-- undo 8: end the sync of w and v
-- lock: MetadataExclusive on `other`; lock_timeout 1s, statement_timeout 10s; outside a transaction
DROP TRIGGER IF EXISTS `phased~bcade974~other~u`;
DROP TRIGGER IF EXISTS `phased~bcade974~other~i`;
