package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// ignoreMark in a function's body says that it means something else by the words.
const ignoreMark = "phased:ignore"

// dependents lists what depends on a column, of the table or of a partition or
// child of it, apart from the table's own indexes, constraints, defaults and sync.
// pg_depend knows it all but the text of functions, which is looked through for the
// names.
func (e *Engine) dependents(ctx context.Context, q querier, schemaName, table, column string) ([]schema.Dependent, error) {
	found, err := rows(ctx, q, dependent(column), columnDependentsSQL, schemaName, table, column, syncTrigger)
	if err != nil {
		return nil, fmt.Errorf("list what depends on %s.%s.%s: %w", schemaName, table, column, err)
	}
	functions, err := rows(ctx, q, dependent(column), fmt.Sprintf(functionDependentsSQL,
		mentions("p.prosrc", column), mentions("p.prosrc", table), mentionsField("p.prosrc", column), literal(ignoreMark)), schemaName, table)
	if err != nil {
		return nil, fmt.Errorf("look for functions that name %s.%s.%s: %w", schemaName, table, column, err)
	}
	return append(found, functions...), nil
}

func dependent(column string) func(*sql.Rows) (schema.Dependent, error) {
	return func(r *sql.Rows) (schema.Dependent, error) {
		d := schema.Dependent{Column: column}
		return d, r.Scan(&d.Kind, &d.Name, &d.Blocks)
	}
}

// familySQL is a table with its partitions and inheritance children.
const familySQL = `family(oid) AS (
  SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2
  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = f.oid)`

// Statistics objects go silently with the column: they are told and do not block.
// An owned sequence goes too, and blocks when somebody else's default needs it; the
// empty copy that preflight makes is nobody.
const columnDependentsSQL = `WITH /* phased */ RECURSIVE ` + familySQL + `,
col AS (SELECT a.attrelid, a.attnum FROM family f JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid WHERE a.attname = $3 AND a.attnum > 0 AND NOT a.attisdropped),
dep AS (SELECT DISTINCT d.classid AS class, d.objid, d.objsubid, d.deptype, d.refobjid FROM pg_catalog.pg_depend d JOIN col
   ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = col.attrelid AND d.refobjsubid = col.attnum)
SELECT CASE WHEN v.oid IN (SELECT oid FROM family) THEN 'rule' WHEN v.relkind = 'm' THEN 'materialized view' ELSE 'view' END,
    CASE WHEN v.oid IN (SELECT oid FROM family) THEN pg_catalog.format('%I on %I.%I', r.rulename, n.nspname, v.relname) ELSE pg_catalog.format('%I.%I', n.nspname, v.relname) END AS name, true
  FROM dep JOIN pg_catalog.pg_rewrite r ON r.oid = dep.objid JOIN pg_catalog.pg_class v ON v.oid = r.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
 WHERE dep.class = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
UNION SELECT 'policy', pg_catalog.format('%I on %I.%I', p.polname, n.nspname, c.relname), true
  FROM dep JOIN pg_catalog.pg_policy p ON p.oid = dep.objid JOIN pg_catalog.pg_class c ON c.oid = p.polrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE dep.class = 'pg_catalog.pg_policy'::pg_catalog.regclass
UNION SELECT 'generated column', pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname), true
  FROM dep JOIN pg_catalog.pg_attrdef ad ON ad.oid = dep.objid JOIN pg_catalog.pg_attribute a ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE dep.class = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND a.attislocal AND (ad.adrelid, ad.adnum) NOT IN (SELECT attrelid, attnum FROM col)
UNION SELECT 'generated column', pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname), true -- recorded on the column itself before PostgreSQL 16
  FROM dep JOIN pg_catalog.pg_attribute a ON a.attrelid = dep.objid AND a.attnum = dep.objsubid
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE dep.class = 'pg_catalog.pg_class'::pg_catalog.regclass AND dep.objsubid > 0 AND a.attislocal
UNION SELECT 'publication', pg_catalog.format('%I of %I.%I', p.pubname, n.nspname, c.relname), true
  FROM dep JOIN pg_catalog.pg_publication_rel pr ON pr.oid = dep.objid JOIN pg_catalog.pg_publication p ON p.oid = pr.prpubid
  JOIN pg_catalog.pg_class c ON c.oid = pr.prrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE dep.class = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass
UNION SELECT 'trigger', pg_catalog.format('%I on %I.%I', t.tgname, n.nspname, c.relname), true
  FROM dep JOIN pg_catalog.pg_trigger t ON t.oid = dep.objid JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE dep.class = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname <> $4
UNION SELECT 'foreign key', pg_catalog.format('%I of %I.%I', k.conname, n.nspname, c.relname), true
  FROM dep JOIN pg_catalog.pg_constraint k ON k.oid = dep.objid JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE dep.class = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.contype = 'f' AND k.conparentid = 0 AND k.conrelid NOT IN (SELECT oid FROM family)
UNION SELECT 'function', pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)), true
  FROM dep JOIN pg_catalog.pg_proc p ON p.oid = dep.objid JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE dep.class = 'pg_catalog.pg_proc'::pg_catalog.regclass AND n.nspname <> 'phased'
UNION SELECT 'statistics', pg_catalog.format('%I.%I', n.nspname, s.stxname), false
  FROM dep JOIN pg_catalog.pg_statistic_ext s ON s.oid = dep.objid JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
 WHERE dep.class = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
UNION SELECT 'sequence', pg_catalog.format('%I.%I', n.nspname, s.relname), EXISTS (
    SELECT FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_attrdef ad ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND ad.oid = d.objid
     WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = s.oid AND d.deptype = 'n'
       AND (ad.oid IS NULL OR (ad.adrelid, ad.adnum) NOT IN (SELECT attrelid, attnum FROM col)
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = ad.adrelid AND c.relnamespace = pg_catalog.pg_my_temp_schema())))
  FROM dep JOIN pg_catalog.pg_class s ON s.oid = dep.objid JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
 WHERE dep.class = 'pg_catalog.pg_class'::pg_catalog.regclass AND dep.objsubid = 0 AND s.relkind = 'S' AND n.nspname <> 'phased'
UNION SELECT 'partition key', pg_catalog.format('%I.%I', n.nspname, c.relname), true
  FROM col JOIN pg_catalog.pg_partitioned_table k ON k.partrelid = col.attrelid AND col.attnum = ANY (k.partattrs)
  JOIN pg_catalog.pg_class c ON c.oid = k.partrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
UNION SELECT pg_catalog.replace(o.type, 'table column', 'column'), o.identity, dep.deptype = 'n'
  FROM dep CROSS JOIN LATERAL pg_catalog.pg_identify_object(dep.class, dep.objid, dep.objsubid) o
 WHERE dep.class NOT IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass, 'pg_catalog.pg_attrdef'::pg_catalog.regclass,
   'pg_catalog.pg_publication_rel'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass, 'pg_catalog.pg_constraint'::pg_catalog.regclass,
   'pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, 'pg_catalog.pg_class'::pg_catalog.regclass)
ORDER BY 1, 2`

// A function counts when its body names the column and the table, or the column and
// one of its arguments is a row of the table, or when it is a trigger function of
// the table that takes the column from NEW or OLD. Bodies that are parsed when the
// function is made (BEGIN ATOMIC) are in pg_depend instead.
const functionDependentsSQL = `WITH /* phased */ RECURSIVE ` + familySQL + `
SELECT 'function', pg_catalog.format('%%I.%%I(%%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)), true
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'phased') AND l.lanname NOT IN ('internal', 'c') AND %[1]s
   AND (%[2]s OR EXISTS (SELECT FROM family f JOIN pg_catalog.pg_class c ON c.oid = f.oid WHERE c.reltype = ANY (p.proargtypes))
     OR %[3]s AND EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgfoid = p.oid AND t.tgrelid IN (SELECT oid FROM family)))
   AND pg_catalog.strpos(p.prosrc, %[4]s) = 0
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY 2`

// Dependents lists what removing the old side of the plan would break or drop.
func (e *Engine) Dependents(ctx context.Context, p *plan.Plan) ([]schema.Dependent, error) {
	var out []schema.Dependent
	seen := map[string]bool{}
	add := func(found []schema.Dependent, err error) error {
		for _, d := range found {
			if key := d.Kind + " " + d.Name; !seen[key] && !own(p, d) {
				seen[key] = true
				out = append(out, d)
			}
		}
		return err
	}
	links, err := e.inFlight(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		if err := add(e.dependents(ctx, e.db, l.Schema, l.Table, l.Old)); err != nil {
			return nil, err
		}
	}
	for _, s := range p.Migration.Statements {
		n, err := e.resolve(ctx, p, s.Change.Target())
		if err != nil {
			return nil, err
		}
		switch c := s.Change.(type) {
		case plan.DropColumn:
			for _, column := range []string{c.Column, hiddenName(p, c.Column)} {
				if column == "" {
					continue
				}
				if err := add(e.dependents(ctx, e.db, n.Schema, n.Name, column)); err != nil {
					return nil, err
				}
			}
		case plan.RenameTable:
			if err := add(e.renameDependents(ctx, n.Schema, c.From, c.To)); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// hiddenName reads from the plan's own steps under which name a column without a
// pair is hidden.
func hiddenName(p *plan.Plan, column string) string {
	rename := " RENAME COLUMN " + ident(column) + ` TO "`
	for _, s := range p.Of(plan.PhaseHide) {
		for _, text := range s.Statements {
			if _, rest, ok := strings.Cut(text, rename); ok && strings.HasSuffix(rest, `"`) {
				return strings.ReplaceAll(rest[:len(rest)-1], `""`, `"`)
			}
		}
	}
	return ""
}

// own reports what the plan itself takes care of: the view under which a renamed
// table goes meanwhile, and a sequence that one of its steps hands to another column.
func own(p *plan.Plan, d schema.Dependent) bool {
	for _, s := range p.Migration.Statements {
		if c, ok := s.Change.(plan.RenameTable); ok && d.Kind == "view" {
			for _, name := range []string{c.From, c.To} {
				if d.Name == name || strings.HasSuffix(d.Name, "."+name) || strings.HasSuffix(d.Name, "."+ident(name)) {
					return true
				}
			}
		}
	}
	if d.Kind != "sequence" {
		return false
	}
	bare := strings.ReplaceAll(d.Name, `"`, "")
	for _, s := range p.Steps {
		for _, text := range s.Statements {
			if s.Phase != plan.PhaseUndo && strings.Contains(text, " OWNED BY ") && strings.Contains(strings.ReplaceAll(text, `"`, ""), bare) {
				return true
			}
		}
	}
	return false
}

// renameDependents lists what hangs on the view that bears one name of a table
// which is being renamed, and functions that name the table as old code does. What
// hangs on the table itself follows a rename.
func (e *Engine) renameDependents(ctx context.Context, schemaName, from, to string) ([]schema.Dependent, error) {
	found, err := rows(ctx, e.db, dependent(""), viewDependentsSQL, schemaName, from, to)
	if err != nil {
		return nil, fmt.Errorf("list what depends on the view %s.%s: %w", schemaName, to, err)
	}
	functions, err := rows(ctx, e.db, dependent(""), fmt.Sprintf(`SELECT /* phased */ 'function', pg_catalog.format('%%I.%%I(%%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)), true
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'phased') AND l.lanname NOT IN ('internal', 'c') AND %s AND pg_catalog.strpos(p.prosrc, %s) = 0
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY 2`, mentions("p.prosrc", from), literal(ignoreMark)))
	if err != nil {
		return nil, fmt.Errorf("look for functions that name %s.%s: %w", schemaName, from, err)
	}
	return append(found, functions...), nil
}

const viewDependentsSQL = `WITH /* phased */ v AS (SELECT c.oid, c.reltype FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname IN ($2, $3) AND c.relkind = 'v'),
dep AS (SELECT DISTINCT d.classid, d.objid, d.objsubid FROM pg_catalog.pg_depend d JOIN v ON
   d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = v.oid OR d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid = v.reltype
  WHERE d.deptype IN ('n', 'a'))
SELECT CASE WHEN w.relkind = 'm' THEN 'materialized view' WHEN w.relkind = 'v' THEN 'view' ELSE o.type END, CASE WHEN w.oid IS NULL THEN o.identity ELSE pg_catalog.format('%I.%I', n.nspname, w.relname) END, true
  FROM dep CROSS JOIN LATERAL pg_catalog.pg_identify_object(dep.classid, dep.objid, dep.objsubid) o
  LEFT JOIN pg_catalog.pg_rewrite r ON dep.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = dep.objid
  LEFT JOIN pg_catalog.pg_class w ON w.oid = r.ev_class LEFT JOIN pg_catalog.pg_namespace n ON n.oid = w.relnamespace
 WHERE r.oid IS NULL OR w.oid NOT IN (SELECT oid FROM v)
ORDER BY 1, 2`
