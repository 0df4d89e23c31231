-- migration 0001_as-written
--   run a statement as written: it is small
-- rendered by mysql
-- note [as-written]: statement 1 runs as written: it is small

-- == expand: old and new code both work afterwards ==

-- expand 1: run a statement as written: it is small
-- lock: MetadataExclusive on `other`; lock_timeout 1s; outside a transaction
ALTER TABLE other MODIFY v text;
