package mysql

// stateTables creates everything phased keeps in a database. DDL commits by itself, so
// each statement may be run again, by several starters at once; the row of
// phased_meta, which comes last, says that all of it is there.
//
// Times are UTC, by the database's clock. No foreign keys: every statement on these
// tables is ours.
var stateTables = []string{
	`CREATE TABLE IF NOT EXISTS phased_lease (
  id int NOT NULL PRIMARY KEY,
  token bigint NOT NULL,
  holder varchar(255) NOT NULL DEFAULT '',
  expires_at datetime(6) NOT NULL,
  connection_id bigint unsigned NULL COMMENT 'of the step in flight; it holds the lock that GET_LOCK gave'
)` + tableOptions,
	`INSERT IGNORE INTO phased_lease (id, token, expires_at) VALUES (1, 0, '2000-01-01')`,
	`CREATE TABLE IF NOT EXISTS phased_register (
  id int NOT NULL PRIMARY KEY COMMENT 'registering an instance and hiding an old side lock this row'
)` + tableOptions,
	`INSERT IGNORE INTO phased_register (id) VALUES (1)`,
	`CREATE TABLE IF NOT EXISTS phased_migration (
  name varchar(255) NOT NULL PRIMARY KEY,
  checksum varchar(255) NOT NULL,
  state varchar(32) NOT NULL,
  plan longtext NULL COMMENT 'as it runs; null: baseline',
  contracts tinyint NOT NULL DEFAULT 0,
  fills tinyint NOT NULL DEFAULT 0,
  paused tinyint NOT NULL DEFAULT 0,
  hiding tinyint NOT NULL DEFAULT 0 COMMENT 'the register was asked, and the old side is being hidden: builds without the line are refused',
  reason text NOT NULL,
  created_at datetime(6) NOT NULL,
  state_at datetime(6) NOT NULL,
  hidden_at datetime(6) NULL
)` + tableOptions,
	`CREATE TABLE IF NOT EXISTS phased_step (
  migration varchar(255) NOT NULL,
  n int NOT NULL,
  phase varchar(32) NOT NULL,
  title text NOT NULL,
  done tinyint NOT NULL DEFAULT 0,
  done_at datetime(6) NULL,
  attempts int NOT NULL DEFAULT 0,
  error text NOT NULL,
  PRIMARY KEY (migration, n)
)` + tableOptions,
	`CREATE TABLE IF NOT EXISTS phased_link (
  position bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  id varchar(255) NOT NULL UNIQUE,
  migration varchar(255) NOT NULL,
  table_name varchar(64) NOT NULL,
  hidden tinyint NOT NULL DEFAULT 0,
  link longtext NOT NULL COMMENT 'the pair of columns that is kept in step, as JSON'
)` + tableOptions,
	`CREATE TABLE IF NOT EXISTS phased_fill (
  id varchar(255) NOT NULL PRIMARY KEY COMMENT 'the link it fills',
  migration varchar(255) NOT NULL,
  spec longtext NOT NULL,
  state varchar(32) NOT NULL DEFAULT 'pending',
  at_key longtext NULL COMMENT 'key of the last row done, a JSON array of text; null: at the beginning',
  upper_key longtext NULL COMMENT 'last key when the walk began',
  seen bigint NOT NULL DEFAULT 0,
  filled bigint NOT NULL DEFAULT 0,
  chunks bigint NOT NULL DEFAULT 0,
  estimate bigint NOT NULL DEFAULT 0,
  pass int NOT NULL DEFAULT 1,
  started tinyint NOT NULL DEFAULT 0 COMMENT 'upper_key and estimate are fixed',
  token bigint NOT NULL DEFAULT 0,
  worker varchar(255) NOT NULL DEFAULT '',
  lease_until datetime(6) NOT NULL DEFAULT '2000-01-01',
  last_error text NOT NULL,
  out_of_step bigint NULL,
  verified_at datetime(6) NULL,
  started_at datetime(6) NULL,
  updated_at datetime(6) NULL,
  complete_at datetime(6) NULL
)` + tableOptions,
	`CREATE TABLE IF NOT EXISTS phased_poison (
  fill varchar(255) NOT NULL,
  key_hash binary(32) NOT NULL COMMENT 'SHA-256 of row_key',
  row_key longtext NOT NULL COMMENT 'a JSON array of text',
  error text NOT NULL,
  seen_at datetime(6) NOT NULL,
  PRIMARY KEY (fill, key_hash)
)` + tableOptions,
	`CREATE TABLE IF NOT EXISTS phased_instance (
  id varchar(255) NOT NULL PRIMARY KEY,
  app varchar(255) NOT NULL,
  version varchar(255) NOT NULL,
  host varchar(255) NOT NULL,
  pid int NOT NULL,
  contract_lines longtext NOT NULL COMMENT 'a JSON array of migration names',
  lifetime_us bigint NOT NULL COMMENT 'it counts as alive so many microseconds after a sign of life',
  started_at datetime(6) NOT NULL,
  seen_at datetime(6) NOT NULL,
  stopped tinyint NOT NULL DEFAULT 0
)` + tableOptions,
	`CREATE TABLE IF NOT EXISTS phased_evidence (
  migration varchar(255) NOT NULL,
  kind varchar(32) NOT NULL,
  value longtext NOT NULL,
  changed_at datetime(6) NOT NULL,
  observed_at datetime(6) NOT NULL,
  PRIMARY KEY (migration, kind)
)` + tableOptions,
	`CREATE TABLE IF NOT EXISTS phased_event (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at datetime(6) NOT NULL,
  migration varchar(255) NOT NULL,
  what varchar(64) NOT NULL,
  detail text NOT NULL,
  account varchar(255) NOT NULL
)` + tableOptions,
	`CREATE TABLE IF NOT EXISTS phased_meta (
  id int NOT NULL PRIMARY KEY,
  format int NOT NULL,
  fresh tinyint NOT NULL COMMENT 'the database was empty, its first set-up is not finished',
  tables_found int NOT NULL COMMENT 'tables of others when phased came',
  baseline tinyint NOT NULL DEFAULT 0,
  created_at datetime(6) NOT NULL
)` + tableOptions,
	`INSERT IGNORE INTO phased_meta (id, format, fresh, tables_found, created_at)
SELECT 1, 1, COUNT(*) = 0, COUNT(*), UTC_TIMESTAMP(6) FROM information_schema.TABLES
 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT LIKE 'phased\_%' AND TABLE_NAME NOT LIKE 'phased~%'`,
}

// tableOptions: names and texts compare byte by byte, as everything of ours does.
const tableOptions = ` ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC`
