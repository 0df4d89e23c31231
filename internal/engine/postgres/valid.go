package postgres

import (
	"context"
	"fmt"

	"github.com/phasedb/phased/expand/plan"
)

// Invalid lists what the new side lacks: finishing steps whose result is not there,
// indexes and constraints on the new columns that are not valid, and indexes and
// foreign keys of the old columns that have no counterpart on the new ones.
func (e *Engine) Invalid(ctx context.Context, p *plan.Plan) ([]string, error) {
	out, err := e.unfinished(ctx, p)
	if err != nil {
		return nil, err
	}
	links, err := e.inFlight(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		found, err := strings1(ctx, e.db, invalidSQL, l.Schema, l.Table, l.Old, l.New)
		if err != nil {
			return nil, fmt.Errorf("look for indexes and constraints of %s.%s that are not valid: %w", l.Table, l.New, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// unfinished asks the finishing steps. The drop renames what they made, and is past asking.
func (e *Engine) unfinished(ctx context.Context, p *plan.Plan) ([]string, error) {
	var out []string
	for _, s := range p.Of(plan.PhaseFinish) {
		if s.Done == "" {
			continue
		}
		var ok bool
		if err := e.db.QueryRowContext(ctx, s.Done).Scan(&ok); err != nil {
			return nil, fmt.Errorf("ask whether it is done: %s: %w", s.Title, err)
		}
		if !ok {
			out = append(out, "not done: "+s.Title)
		}
	}
	return out, nil
}

// An index counts as the counterpart of a plain one when its columns are the same
// with the new column in the old one's place, and when it is unique if that is.
const invalidSQL = `WITH /* phased */ RECURSIVE ` + familySQL + `,
col AS (SELECT a.attrelid, a.attnum FROM family f JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid WHERE a.attname = $4 AND a.attnum > 0 AND NOT a.attisdropped),
pair AS (SELECT o.attrelid, o.attnum AS old, n.attnum AS new FROM pg_catalog.pg_attribute o JOIN pg_catalog.pg_attribute n ON n.attrelid = o.attrelid
  JOIN pg_catalog.pg_class c ON c.oid = o.attrelid JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
 WHERE s.nspname = $1 AND c.relname = $2 AND o.attname = $3 AND n.attname = $4 AND NOT o.attisdropped AND NOT n.attisdropped)
SELECT DISTINCT pg_catalog.format('index %I.%I is not valid', n.nspname, c.relname)
  FROM pg_catalog.pg_index x JOIN col ON x.indrelid = col.attrelid JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT (x.indisvalid AND x.indisready AND x.indislive)
   AND (col.attnum = ANY (x.indkey) OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = x.indexrelid
     AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = col.attrelid AND d.refobjsubid = col.attnum))
UNION SELECT pg_catalog.format('constraint %I of %I.%I is not valid', k.conname, n.nspname, c.relname)
  FROM pg_catalog.pg_constraint k JOIN col ON k.conrelid = col.attrelid JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT k.convalidated AND col.attnum = ANY (k.conkey)
UNION SELECT pg_catalog.format('index %s has no counterpart on column %I', x.indexrelid::pg_catalog.regclass, $4)
  FROM pg_catalog.pg_index x JOIN pair ON x.indrelid = pair.attrelid
 WHERE x.indisvalid AND pair.old = ANY (x.indkey) AND NOT pair.new = ANY (x.indkey) AND x.indexprs IS NULL AND x.indpred IS NULL
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_index y WHERE y.indrelid = x.indrelid AND (y.indisunique OR NOT x.indisunique)
     AND pg_catalog.array_replace(x.indkey::int2[], pair.old, pair.new) = y.indkey::int2[])
UNION SELECT pg_catalog.format('foreign key %I has no counterpart on column %I', k.conname, $4)
  FROM pg_catalog.pg_constraint k JOIN pair ON k.conrelid = pair.attrelid
 WHERE k.contype = 'f' AND k.convalidated AND pair.old = ANY (k.conkey) AND NOT pair.new = ANY (k.conkey)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint y WHERE y.conrelid = k.conrelid AND y.contype = 'f' AND y.confrelid = k.confrelid
     AND pg_catalog.array_replace(k.conkey, pair.old, pair.new) = y.conkey)
ORDER BY 1`
