package postgres

// stateTables creates everything phased keeps in a database. It runs as one
// implicit transaction; a second starter at the same instant gets a duplicate
// error and looks again.
//
// PUBLIC may use the schema and the evidence sequences in it, nothing else: the
// sync of a user's table bumps a sequence, and no application role should need a
// grant for that.
const stateTables = `
SET LOCAL search_path = '';
-- A schema that somebody made for us is used: the role needs no CREATE on the database then.
DO $do$ BEGIN
  IF pg_catalog.to_regnamespace('phased') IS NULL THEN
    CREATE SCHEMA phased;
    COMMENT ON SCHEMA phased IS 'state of github.com/phasedb/phased: schema changes in flight and done';
  END IF;
  IF NOT pg_catalog.has_schema_privilege('public', 'phased', 'USAGE') THEN
    GRANT USAGE ON SCHEMA phased TO PUBLIC;
  END IF;
END $do$;

CREATE TABLE phased.meta (
  id int PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  format int NOT NULL,
  fresh boolean NOT NULL,           -- the database was empty, its first set-up is not finished
  tables_found int NOT NULL,        -- tables of others when phased came
  baseline boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO phased.meta (format, fresh, tables_found)
SELECT 1, count(*) = 0, count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'phased')
   AND n.nspname !~ '^pg_(toast|temp)'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e');

-- The runner's claim. token is a key column: a step in flight holds FOR KEY SHARE
-- on the row, which a takeover (it changes the key) waits for and a renewal does not.
CREATE TABLE phased.lease (
  id int PRIMARY KEY CHECK (id = 1),
  token bigint NOT NULL UNIQUE,
  holder text NOT NULL DEFAULT '',
  expires_at timestamptz NOT NULL DEFAULT '-infinity',
  backend_pid int,                  -- of the holder's own connection, while it runs what cannot be in a transaction
  backend_start timestamptz);
INSERT INTO phased.lease (id, token) VALUES (1, 0);

-- Registering an instance and hiding an old side lock this row.
CREATE TABLE phased.register (id int PRIMARY KEY CHECK (id = 1));
INSERT INTO phased.register VALUES (1);

CREATE TABLE phased.migration (
  name text PRIMARY KEY,
  checksum text NOT NULL,
  state text NOT NULL,
  plan json,                        -- as it runs; null: baseline
  contracts boolean NOT NULL DEFAULT false,
  fills boolean NOT NULL DEFAULT false,
  paused boolean NOT NULL DEFAULT false,
  reason text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  state_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  hidden_at timestamptz);

CREATE TABLE phased.step (
  migration text NOT NULL REFERENCES phased.migration ON DELETE CASCADE,
  n int NOT NULL,
  phase text NOT NULL,
  title text NOT NULL,
  done boolean NOT NULL DEFAULT false,
  done_at timestamptz,
  attempts int NOT NULL DEFAULT 0,
  error text NOT NULL DEFAULT '',
  PRIMARY KEY (migration, n));

-- The pairs of columns that are kept in step now.
CREATE TABLE phased.link (
  position bigint GENERATED ALWAYS AS IDENTITY,
  id text PRIMARY KEY,
  migration text NOT NULL,
  schema_name text NOT NULL,
  table_name text NOT NULL,
  hidden boolean NOT NULL DEFAULT false,
  link json NOT NULL);

CREATE TABLE phased.fill (
  id text PRIMARY KEY,              -- the link's
  migration text NOT NULL REFERENCES phased.migration ON DELETE CASCADE,
  spec json NOT NULL,
  state text NOT NULL DEFAULT 'pending',
  cursor text[],
  upper text[],
  seen bigint NOT NULL DEFAULT 0,
  filled bigint NOT NULL DEFAULT 0,
  chunks bigint NOT NULL DEFAULT 0,
  estimate bigint NOT NULL DEFAULT 0,
  pass int NOT NULL DEFAULT 1,
  started boolean NOT NULL DEFAULT false, -- upper and estimate are fixed
  token bigint NOT NULL DEFAULT 0,
  worker text NOT NULL DEFAULT '',
  lease_until timestamptz NOT NULL DEFAULT '-infinity',
  last_error text NOT NULL DEFAULT '',
  out_of_step bigint,
  verified_at timestamptz,
  started_at timestamptz,
  updated_at timestamptz,
  complete_at timestamptz);

CREATE TABLE phased.poison (
  fill text NOT NULL REFERENCES phased.fill ON DELETE CASCADE,
  key text[] NOT NULL,
  error text NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (fill, key));

CREATE TABLE phased.instance (
  id text PRIMARY KEY,
  app text NOT NULL,
  version text NOT NULL,
  host text NOT NULL,
  pid int NOT NULL,
  lines text[] NOT NULL,
  lifetime interval NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  stopped boolean NOT NULL DEFAULT false);

CREATE TABLE phased.evidence (
  migration text NOT NULL REFERENCES phased.migration ON DELETE CASCADE,
  kind text NOT NULL,
  value text NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  observed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (migration, kind));

CREATE TABLE phased.event (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  migration text NOT NULL,
  what text NOT NULL,
  detail text NOT NULL DEFAULT '',
  role text NOT NULL DEFAULT current_user);
`
