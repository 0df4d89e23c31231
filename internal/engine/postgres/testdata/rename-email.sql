-- migration 0000
--   rename column users.email to email_address
-- rendered by PostgreSQL
-- note [unique-upsert]: users_email_key is unique: from the end of the backfill until contract there are two unique indexes, and of concurrent INSERT … ON CONFLICT (email) (old code's) or ON CONFLICT (email_address) (new code's) of the same new value one can fail on the other index; `-- phased:serialize-inserts users.email` makes such inserts wait for each other instead (one advisory lock a row: not for bulk inserts)

-- == expand: old and new code both work afterwards ==

-- expand 1: add column email_address and keep it in step with email
-- lock: AccessExclusive on "public"."users"; lock_timeout 500ms, statement_timeout 10s; one transaction
-- undo: rollback drops the column; nothing of the old side was touched
BEGIN;
SET LOCAL lock_timeout = '500ms';
SET LOCAL statement_timeout = '10000ms';
CREATE SEQUENCE "phased"."old writes 0000/1";
GRANT USAGE ON SEQUENCE "phased"."old writes 0000/1" TO PUBLIC;
ALTER TABLE "public"."users" ADD COLUMN "email_address" text;
LOCK TABLE "public"."users" IN ACCESS EXCLUSIVE MODE;
SET LOCAL search_path TO pg_catalog, pg_temp;
CREATE OR REPLACE FUNCTION "phased"."sync public.users"() RETURNS trigger LANGUAGE plpgsql SET search_path TO pg_catalog, pg_temp AS $phased$
BEGIN
  -- 0000/1: email_address -> email
  IF ((NEW."email_address" OPERATOR(pg_catalog.=) NEW."email") IS NOT TRUE AND (NEW."email_address" IS NOT NULL OR NEW."email" IS NOT NULL)) AND (CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN pg_catalog.record_image_ne(ROW(NEW."email_address"), ROW(CAST(('nobody'::text) AS text))) ELSE pg_catalog.record_image_ne(ROW(NEW."email_address"), ROW(OLD."email_address")) END) THEN
    NEW."email" := NEW."email_address";
  END IF;
  -- 0000/1: email -> email_address
  IF ((NEW."email_address" OPERATOR(pg_catalog.=) NEW."email") IS NOT TRUE AND (NEW."email_address" IS NOT NULL OR NEW."email" IS NOT NULL)) THEN
    IF (CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN true ELSE pg_catalog.record_image_ne(ROW(NEW."email"), ROW(OLD."email")) END) THEN
      PERFORM pg_catalog.nextval('"phased"."old writes 0000/1"'::pg_catalog.regclass);
    END IF;
    NEW."email_address" := NEW."email";
  END IF;
  RETURN NEW;
END
$phased$;
DROP TRIGGER IF EXISTS "~phased_sync" ON "public"."users";
CREATE TRIGGER "~phased_sync" BEFORE INSERT OR UPDATE ON "public"."users" FOR EACH ROW WHEN (NEW."email_address" IS DISTINCT FROM NEW."email") EXECUTE FUNCTION "phased"."sync public.users"();
ALTER TABLE "public"."users" ENABLE ALWAYS TRIGGER "~phased_sync";
ALTER TABLE "public"."users" ALTER COLUMN "email_address" SET DEFAULT 'nobody'::text;
COMMENT ON COLUMN "public"."users"."email_address" IS 'mail';
COMMIT;

-- == backfill: throttled batches, each its own transaction ==
-- public.users: email_address follows from email, in the order of (id)

-- == finish: after the backfill, online: what the new side still lacks ==

-- finish 1: build index users_email_key~new
-- lock: ShareUpdateExclusive on "public"."users"; waits for its lock without limit (nobody waits behind it); outside a transaction
-- undo: goes with the new column at rollback
CREATE UNIQUE INDEX CONCURRENTLY "users_email_key~new" ON "public"."users" USING btree (email_address);

-- finish 2: make index users_email_key~new the constraint users_email_key~new
-- lock: AccessExclusive on "public"."users"; lock_timeout 500ms, statement_timeout 10s; one transaction
-- undo: goes with the new column at rollback
BEGIN;
SET LOCAL lock_timeout = '500ms';
SET LOCAL statement_timeout = '10000ms';
ALTER TABLE "public"."users" ADD CONSTRAINT "users_email_key~new" UNIQUE USING INDEX "users_email_key~new";
COMMIT;

-- finish 3: build index users_lower_idx~new
-- lock: ShareUpdateExclusive on "public"."users"; waits for its lock without limit (nobody waits behind it); outside a transaction
-- undo: goes with the new column at rollback
CREATE INDEX CONCURRENTLY "users_lower_idx~new" ON "public"."users" USING btree (lower(email_address)) WHERE (email_address <> ''::text);

-- finish 4: add check users_email_check~new, not yet validated
-- lock: AccessExclusive on "public"."users"; lock_timeout 500ms, statement_timeout 10s; one transaction
-- undo: goes with the new column at rollback
BEGIN;
SET LOCAL lock_timeout = '500ms';
SET LOCAL statement_timeout = '10000ms';
ALTER TABLE "public"."users" ADD CONSTRAINT "users_email_check~new" CHECK ((email_address <> ''::text)) NOT VALID;
COMMIT;

-- finish 5: validate constraint users_email_check~new
-- lock: ShareUpdateExclusive on "public"."users"; lock_timeout 500ms; outside a transaction
-- undo: goes with the new column at rollback
ALTER TABLE "public"."users" VALIDATE CONSTRAINT "users_email_check~new";

-- finish 6: add foreign key users_email_fkey~new, not yet validated
-- lock: ShareRowExclusive on "public"."users"; lock_timeout 500ms, statement_timeout 10s; one transaction
-- undo: goes with the new column at rollback
BEGIN;
SET LOCAL lock_timeout = '500ms';
SET LOCAL statement_timeout = '10000ms';
ALTER TABLE "public"."users" ADD CONSTRAINT "users_email_fkey~new" FOREIGN KEY ("email_address") REFERENCES public.domains ("name") ON DELETE CASCADE NOT VALID;
COMMIT;

-- finish 7: validate constraint users_email_fkey~new
-- lock: ShareUpdateExclusive on "public"."users"; lock_timeout 500ms; outside a transaction
-- undo: goes with the new column at rollback
ALTER TABLE "public"."users" VALIDATE CONSTRAINT "users_email_fkey~new";

-- finish 8: check that email_address is not null, not yet validated
-- lock: AccessExclusive on "public"."users"; lock_timeout 500ms, statement_timeout 10s; one transaction
BEGIN;
SET LOCAL lock_timeout = '500ms';
SET LOCAL statement_timeout = '10000ms';
ALTER TABLE "public"."users" ADD CONSTRAINT "users_email_address~notnull" CHECK ("email_address" IS NOT NULL) NOT VALID;
COMMIT;

-- finish 9: validate constraint users_email_address~notnull
-- lock: ShareUpdateExclusive on "public"."users"; lock_timeout 500ms; outside a transaction
-- undo: goes with the new column at rollback
ALTER TABLE "public"."users" VALIDATE CONSTRAINT "users_email_address~notnull";

-- finish 10: make email_address NOT NULL, which the validated check proves
-- lock: AccessExclusive on "public"."users"; lock_timeout 500ms, statement_timeout 10s; one transaction
BEGIN;
SET LOCAL lock_timeout = '500ms';
SET LOCAL statement_timeout = '10000ms';
ALTER TABLE "public"."users" ALTER COLUMN "email_address" SET NOT NULL;
ALTER TABLE "public"."users" DROP CONSTRAINT "users_email_address~notnull";
COMMIT;

-- == hide: contract, first half: only when every gate is met; rollback still works ==

-- hide 1: hide column email as email~hidden; the sync goes on
-- lock: AccessExclusive on "public"."users"; lock_timeout 500ms, statement_timeout 10s; one transaction
-- undo: rollback, or by hand: rename email~hidden back to email
BEGIN;
SET LOCAL lock_timeout = '500ms';
SET LOCAL statement_timeout = '10000ms';
ALTER TABLE "public"."users" RENAME COLUMN "email" TO "email~hidden";
LOCK TABLE "public"."users" IN ACCESS EXCLUSIVE MODE;
SET LOCAL search_path TO pg_catalog, pg_temp;
CREATE OR REPLACE FUNCTION "phased"."sync public.users"() RETURNS trigger LANGUAGE plpgsql SET search_path TO pg_catalog, pg_temp AS $phased$
BEGIN
  -- 0000/1: email_address -> email~hidden
  IF ((NEW."email_address" OPERATOR(pg_catalog.=) NEW."email~hidden") IS NOT TRUE AND (NEW."email_address" IS NOT NULL OR NEW."email~hidden" IS NOT NULL)) AND (CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN pg_catalog.record_image_ne(ROW(NEW."email_address"), ROW(CAST(('nobody'::text) AS text))) ELSE pg_catalog.record_image_ne(ROW(NEW."email_address"), ROW(OLD."email_address")) END) THEN
    NEW."email~hidden" := NEW."email_address";
  END IF;
  -- 0000/1: email~hidden -> email_address
  IF ((NEW."email_address" OPERATOR(pg_catalog.=) NEW."email~hidden") IS NOT TRUE AND (NEW."email_address" IS NOT NULL OR NEW."email~hidden" IS NOT NULL)) THEN
    IF (CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN true ELSE pg_catalog.record_image_ne(ROW(NEW."email~hidden"), ROW(OLD."email~hidden")) END) THEN
      PERFORM pg_catalog.nextval('"phased"."old writes 0000/1"'::pg_catalog.regclass);
    END IF;
    NEW."email_address" := NEW."email~hidden";
  END IF;
  RETURN NEW;
END
$phased$;
DROP TRIGGER IF EXISTS "~phased_sync" ON "public"."users";
CREATE TRIGGER "~phased_sync" BEFORE INSERT OR UPDATE ON "public"."users" FOR EACH ROW WHEN (NEW."email_address" IS DISTINCT FROM NEW."email~hidden") EXECUTE FUNCTION "phased"."sync public.users"();
ALTER TABLE "public"."users" ENABLE ALWAYS TRIGGER "~phased_sync";
COMMIT;

-- == drop: contract, second half: the way back ends here ==

-- drop 1: drop email~hidden, the old side
-- lock: AccessExclusive on "public"."users"; lock_timeout 500ms, statement_timeout 10s; one transaction
BEGIN;
SET LOCAL lock_timeout = '500ms';
SET LOCAL statement_timeout = '10000ms';
LOCK TABLE "public"."users" IN ACCESS EXCLUSIVE MODE;
DROP TRIGGER IF EXISTS "~phased_sync" ON "public"."users";
DROP FUNCTION IF EXISTS "phased"."sync public.users"();
DO $phased$
DECLARE was text := (SELECT conname FROM pg_catalog.pg_constraint WHERE conrelid = '"public"."users"'::pg_catalog.regclass AND contype = 'n' AND conkey = ARRAY[(SELECT attnum FROM pg_catalog.pg_attribute WHERE attrelid = '"public"."users"'::pg_catalog.regclass AND attname = 'email~hidden')]::int2[]);
  now text := (SELECT conname FROM pg_catalog.pg_constraint WHERE conrelid = '"public"."users"'::pg_catalog.regclass AND contype = 'n' AND conkey = ARRAY[(SELECT attnum FROM pg_catalog.pg_attribute WHERE attrelid = '"public"."users"'::pg_catalog.regclass AND attname = 'email_address')]::int2[]);
BEGIN
  IF was IS NOT NULL AND now IS NOT NULL THEN
    EXECUTE pg_catalog.format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', '"public"."users"', was, 'phased~' || pg_catalog.md5(was));
    EXECUTE pg_catalog.format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', '"public"."users"', now, was);
  END IF;
END
$phased$;
ALTER TABLE "public"."users" DROP COLUMN "email~hidden";
ALTER TABLE "public"."users" RENAME CONSTRAINT "users_email_key~new" TO "users_email_key";
ALTER INDEX "public"."users_lower_idx~new" RENAME TO "users_lower_idx";
ALTER TABLE "public"."users" RENAME CONSTRAINT "users_email_check~new" TO "users_email_check";
ALTER TABLE "public"."users" RENAME CONSTRAINT "users_email_fkey~new" TO "users_email_fkey";
DROP SEQUENCE IF EXISTS "phased"."old writes 0000/1";
COMMIT;

-- == undo: rollback, from any phase before the drop ==

-- undo 1: give column email its name back, where it was hidden
-- lock: AccessExclusive on "public"."users"; lock_timeout 500ms, statement_timeout 10s; one transaction
BEGIN;
SET LOCAL lock_timeout = '500ms';
SET LOCAL statement_timeout = '10000ms';
ALTER TABLE "public"."users" RENAME COLUMN "email~hidden" TO "email";
LOCK TABLE "public"."users" IN ACCESS EXCLUSIVE MODE;
SET LOCAL search_path TO pg_catalog, pg_temp;
CREATE OR REPLACE FUNCTION "phased"."sync public.users"() RETURNS trigger LANGUAGE plpgsql SET search_path TO pg_catalog, pg_temp AS $phased$
BEGIN
  -- 0000/1: email_address -> email
  IF ((NEW."email_address" OPERATOR(pg_catalog.=) NEW."email") IS NOT TRUE AND (NEW."email_address" IS NOT NULL OR NEW."email" IS NOT NULL)) AND (CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN pg_catalog.record_image_ne(ROW(NEW."email_address"), ROW(CAST(('nobody'::text) AS text))) ELSE pg_catalog.record_image_ne(ROW(NEW."email_address"), ROW(OLD."email_address")) END) THEN
    NEW."email" := NEW."email_address";
  END IF;
  -- 0000/1: email -> email_address
  IF ((NEW."email_address" OPERATOR(pg_catalog.=) NEW."email") IS NOT TRUE AND (NEW."email_address" IS NOT NULL OR NEW."email" IS NOT NULL)) THEN
    IF (CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN true ELSE pg_catalog.record_image_ne(ROW(NEW."email"), ROW(OLD."email")) END) THEN
      PERFORM pg_catalog.nextval('"phased"."old writes 0000/1"'::pg_catalog.regclass);
    END IF;
    NEW."email_address" := NEW."email";
  END IF;
  RETURN NEW;
END
$phased$;
DROP TRIGGER IF EXISTS "~phased_sync" ON "public"."users";
CREATE TRIGGER "~phased_sync" BEFORE INSERT OR UPDATE ON "public"."users" FOR EACH ROW WHEN (NEW."email_address" IS DISTINCT FROM NEW."email") EXECUTE FUNCTION "phased"."sync public.users"();
ALTER TABLE "public"."users" ENABLE ALWAYS TRIGGER "~phased_sync";
COMMIT;

-- undo 2: end the sync and drop the new column email_address
-- lock: AccessExclusive on "public"."users"; lock_timeout 500ms, statement_timeout 10s; one transaction
BEGIN;
SET LOCAL lock_timeout = '500ms';
SET LOCAL statement_timeout = '10000ms';
LOCK TABLE "public"."users" IN ACCESS EXCLUSIVE MODE;
DROP TRIGGER IF EXISTS "~phased_sync" ON "public"."users";
DROP FUNCTION IF EXISTS "phased"."sync public.users"();
ALTER TABLE "public"."users" DROP COLUMN IF EXISTS "email_address";
DROP SEQUENCE IF EXISTS "phased"."old writes 0000/1";
COMMIT;
