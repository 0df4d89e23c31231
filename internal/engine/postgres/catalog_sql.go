package postgres

// catalogSQL reads one relation as JSON. Columns of the system catalogs that do
// not exist in every version are taken through to_jsonb.
//
// Whether a type's = is identity is a list: for these types two values are equal
// only when they are stored alike (text and its kin under a deterministic
// collation only). numeric (scale), float (-0), interval (24 h and 1 day),
// bpchar (blanks), jsonb (numbers) and citext are not on it.
//
// The functions of a default are taken from its stored tree, so that volatility is
// the server's word and not a guess from the text.
const catalogSQL = `
WITH t AS (SELECT c.*, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1),
col AS (
  SELECT a.attnum, a.attname, json_build_object(
    'Number', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
    'collation', CASE WHEN a.attcollation <> 0 AND a.attcollation <> ty.typcollation THEN
        (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) ELSE '' END,
    'not_null', a.attnotnull,
    'default', CASE WHEN a.attgenerated = '' THEN coalesce(pg_get_expr(d.adbin, d.adrelid), '') ELSE '' END,
    'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' ELSE '' END,
    'generated', CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' ELSE '' END,
    'image_equal', base.oid IN (16, 17, 18, 19, 20, 21, 23, 25, 26, 790, 1043, 1082, 1083, 1114, 1184, 1266, 2950, 3220) OR base.typtype = 'e',
    'Functions', coalesce((SELECT string_agg(DISTINCT p.provolatile::text, '')
       FROM regexp_matches(d.adbin::text, ':(?:funcid|opfuncid|hashfuncid) (\d+)', 'g') m JOIN pg_proc p ON p.oid = m[1]::oid
       WHERE NOT (p.provolatile = 's' AND p.pronamespace = 'pg_catalog'::regnamespace)), ''),
    'NextValue', coalesce(d.adbin::text ~ '\{NEXTVALUEEXPR', false),
    'DomainWith', CASE WHEN dom.constrained THEN 'constraint' WHEN dom.defaulted THEN 'default' ELSE '' END,
    'Comment', coalesce(col_description(a.attrelid, a.attnum), ''),
    'Statistics', coalesce((to_jsonb(a) ->> 'attstattarget')::int, -1),
    'Storage', CASE WHEN a.attstorage <> ty.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' WHEN 'x' THEN 'EXTENDED' END ELSE '' END,
    'Compression', CASE to_jsonb(a) ->> 'attcompression' WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE '' END,
    'Options', coalesce(to_json(a.attoptions), '[]'::json),
    'Grants', (SELECT coalesce(json_agg(json_build_object('Role', g.role, 'Privileges', g.privileges, 'Grantable', g.is_grantable) ORDER BY g.role), '[]'::json)
       FROM (SELECT CASE WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee) END AS role, array_agg(x.privilege_type ORDER BY x.privilege_type) AS privileges, x.is_grantable
             FROM aclexplode(a.attacl) x GROUP BY 1, 3) g),
    'OwnedSeq', coalesce((SELECT quote_ident(sn.nspname) || '.' || quote_ident(s.relname)
       FROM pg_depend dp JOIN pg_class s ON s.oid = dp.objid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
       WHERE dp.classid = 'pg_class'::regclass AND dp.refclassid = 'pg_class'::regclass AND dp.refobjid = a.attrelid AND dp.refobjsubid = a.attnum AND dp.deptype = 'a' LIMIT 1), '')
  ) AS j, coalesce(dcol.collisdeterministic, true) AS deterministic
  FROM pg_attribute a JOIN t ON t.oid = a.attrelid JOIN pg_type ty ON ty.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_collation dcol ON dcol.oid = a.attcollation
  CROSS JOIN LATERAL (
    WITH RECURSIVE chain AS (
      SELECT ty.oid, ty.typtype, ty.typbasetype, ty.typnotnull, ty.typdefault
      UNION ALL SELECT b.oid, b.typtype, b.typbasetype, b.typnotnull, b.typdefault FROM chain JOIN pg_type b ON b.oid = chain.typbasetype WHERE chain.typtype = 'd')
    SELECT bool_or(typtype = 'd' AND (typnotnull OR EXISTS (SELECT FROM pg_constraint k WHERE k.contypid = chain.oid))) AS constrained,
           bool_or(typtype = 'd' AND typdefault IS NOT NULL) AS defaulted,
           min(oid::int8) FILTER (WHERE typtype <> 'd') AS base FROM chain) dom
  JOIN pg_type base ON base.oid = dom.base
  WHERE a.attnum > 0 AND NOT a.attisdropped),
idx AS (
  SELECT json_build_object(
    'OID', i.indexrelid::int8, 'name', ic.relname,
    'Full', pg_get_indexdef(i.indexrelid),
    'Head', 'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || quote_ident(ic.relname) || ' ON '
        || CASE WHEN t.relkind = 'p' THEN 'ONLY ' ELSE '' END || quote_ident(t.nspname) || '.' || quote_ident(t.relname),
    'Table', quote_ident(t.nspname) || '.' || quote_ident(t.relname),
    'Predicate', coalesce(pg_get_expr(i.indpred, i.indrelid), ''),
    'Tablespace', coalesce((SELECT quote_ident(spcname) FROM pg_tablespace sp WHERE sp.oid = ic.reltablespace), ''),
    'columns', (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]'::json) FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum > 0
        AND (a.attnum = ANY (i.indkey::int2[]) OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
             AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))),
    'key', (SELECT coalesce(json_agg(a.attname ORDER BY k.n), '[]'::json) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts),
    'unique', i.indisunique, 'primary', i.indisprimary, 'exclusion', i.indisexclusion, 'immediate', i.indimmediate,
    'partial', i.indpred IS NOT NULL, 'plain', i.indexprs IS NULL, 'valid', i.indisvalid AND i.indisready,
    'constraint', coalesce((SELECT k.conname FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')), ''),
    'ReplicaIdentity', i.indisreplident, 'Clustered', i.indisclustered,
    'Comment', coalesce(obj_description(i.indexrelid, 'pg_class'), '')) AS j
  FROM pg_index i JOIN t ON t.oid = i.indrelid JOIN pg_class ic ON ic.oid = i.indexrelid),
con AS (
  SELECT k.conrelid, k.confrelid, json_build_object(
    'name', k.conname,
    'kind', CASE k.contype WHEN 'c' THEN 'check' WHEN 'f' THEN 'foreign key' WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'x' THEN 'exclusion' ELSE 'constraint trigger' END,
    'definition', pg_get_constraintdef(k.oid),
    'columns', (SELECT coalesce(json_agg(a.attname ORDER BY u.n), '[]'::json) FROM unnest(k.conkey) WITH ORDINALITY u(attnum, n) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum),
    'ref_columns', (SELECT coalesce(json_agg(a.attname ORDER BY u.n), '[]'::json) FROM unnest(k.confkey) WITH ORDINALITY u(attnum, n) JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum),
    'SetColumns', (SELECT coalesce(json_agg(a.attname ORDER BY u.n), '[]'::json) FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(to_jsonb(k) -> 'confdelsetcols') = 'array' THEN to_jsonb(k) -> 'confdelsetcols' ELSE '[]'::jsonb END) WITH ORDINALITY u(attnum, n)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum::int2),
    'valid', k.convalidated, 'deferrable', k.condeferrable, 'deferred', k.condeferred,
    'no_inherit', k.connoinherit AND k.contype = 'c', 'inherited', k.coninhcount > 0,
    'index', coalesce((SELECT c.relname FROM pg_class c WHERE c.oid = k.conindid), ''),
    'table', quote_ident(cn.nspname) || '.' || quote_ident(cc.relname),
    'references', coalesce(quote_ident(rn.nspname) || '.' || quote_ident(rc.relname), ''),
    'OnUpdate', k.confupdtype, 'OnDelete', k.confdeltype, 'Match', k.confmatchtype,
    'Comment', coalesce(obj_description(k.oid, 'pg_constraint'), '')) AS j, k.conparentid
  FROM pg_constraint k JOIN pg_class cc ON cc.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = cc.relnamespace
  LEFT JOIN pg_class rc ON rc.oid = k.confrelid LEFT JOIN pg_namespace rn ON rn.oid = rc.relnamespace
  WHERE (k.conrelid = $1 OR k.confrelid = $1) AND k.contype IN ('c', 'f', 'p', 'u', 'x', 't')),
trg AS (
  SELECT json_build_object(
    'name', g.tgname, 'before', g.tgtype & 2 <> 0, 'row', g.tgtype & 1 <> 0,
    'insert', g.tgtype & 4 <> 0, 'delete', g.tgtype & 8 <> 0, 'update', g.tgtype & 16 <> 0,
    'columns', (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]'::json) FROM unnest(g.tgattr::int2[]) u(attnum) JOIN pg_attribute a ON a.attrelid = g.tgrelid AND a.attnum = u.attnum),
    'enabled', g.tgenabled, 'function', quote_ident(pn.nspname) || '.' || quote_ident(p.proname),
    'inherited', g.tgparentid <> 0, 'Source', p.prosrc, 'When', coalesce(pg_get_triggerdef(g.oid), '')) AS j
  FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace pn ON pn.oid = p.pronamespace
  WHERE g.tgrelid = $1 AND NOT g.tgisinternal AND g.tgname <> '~phased_sync')
SELECT json_build_object(
  'OID', t.oid::int8, 'Schema', t.nspname, 'Name', t.relname, 'Relkind', t.relkind, 'Owner', pg_get_userbyid(t.relowner),
  'Unlogged', t.relpersistence = 'u', 'Temporary', t.relpersistence = 't',
  'MayAlter', pg_has_role(t.relowner, 'USAGE'),
  'RowSecurity', t.relrowsecurity, 'IsPartition', t.relispartition,
  'HasChildren', t.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = t.oid),
  'Parent', coalesce((SELECT pn.nspname || '.' || pc.relname FROM pg_inherits h JOIN pg_class pc ON pc.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = pc.relnamespace WHERE h.inhrelid = t.oid LIMIT 1), ''),
  'PartitionKey', (SELECT coalesce(json_agg(coalesce(a.attname, '') ORDER BY u.n), '[]'::json) FROM pg_partitioned_table pt, unnest(pt.partattrs::int2[]) WITH ORDINALITY u(attnum, n)
      LEFT JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = u.attnum AND u.attnum > 0 WHERE pt.partrelid = $1),
  'Subscribed', EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = t.oid),
  'Prepared', (SELECT coalesce(json_agg(DISTINCT px.gid), '[]'::json) FROM pg_prepared_xacts px JOIN pg_locks x ON x.locktype = 'transactionid' AND x.transactionid = px.transaction AND x.pid IS NULL
      JOIN pg_locks l ON l.virtualtransaction = x.virtualtransaction AND l.pid IS NULL
      WHERE px.database = current_database() AND l.relation = t.oid),
  'Grants', (SELECT coalesce(json_agg(json_build_object('Role', g.role, 'Privileges', g.privileges, 'Grantable', g.is_grantable) ORDER BY g.role), '[]'::json)
      FROM (SELECT CASE WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee) END AS role, array_agg(x.privilege_type ORDER BY x.privilege_type) AS privileges, x.is_grantable
            FROM aclexplode(t.relacl) x WHERE x.grantee <> t.relowner GROUP BY 1, 3) g),
  'Columns', (SELECT coalesce(json_agg((CASE WHEN deterministic THEN j::jsonb ELSE j::jsonb || '{"image_equal": false}' END) ORDER BY attnum), '[]'::json) FROM col),
  'Indexes', (SELECT coalesce(json_agg(j), '[]'::json) FROM idx),
  'Constraints', (SELECT coalesce(json_agg(j), '[]'::json) FROM con WHERE conrelid = $1),
  'ReferencedBy', (SELECT coalesce(json_agg(j), '[]'::json) FROM con WHERE confrelid = $1 AND conparentid = 0),
  'Triggers', (SELECT coalesce(json_agg(j), '[]'::json) FROM trg))::text
FROM t`
