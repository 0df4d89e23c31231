package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// The kinds of evidence.
const (
	evidenceWrites = "writes"
	evidenceReads  = "reads"
)

// Evidence looks at what the server counted. Writes: the sequences that the sync
// bumps when a write came from the old side; a plan without pairs has none. Reads:
// what pg_stat_statements says about statements that name the old side.
func (e *Engine) Evidence(ctx context.Context, p *plan.Plan) ([]engine.Evidence, error) {
	var out []engine.Evidence
	w, counted, err := e.writes(ctx, p)
	if err != nil {
		return nil, err
	}
	if counted {
		out = append(out, w)
	}
	r, asked, err := e.reads(ctx, p)
	if err != nil {
		return nil, err
	}
	if asked {
		out = append(out, r)
	}
	for i := range out {
		if err := e.still(ctx, p, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// still says for how long the value has been the remembered one. A value that went
// down (the statistics were reset) differs too.
func (e *Engine) still(ctx context.Context, p *plan.Plan, v *engine.Evidence) error {
	var seconds float64
	err := e.db.QueryRowContext(ctx, `SELECT /* phased */ pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - changed_at)
 FROM phased.evidence WHERE migration = $1 AND kind = $2 AND value = $3`, p.Migration.Name, v.Kind, v.Value).Scan(&seconds)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the evidence of %s: %w", p.Migration.Name, err)
	}
	v.ChangedAgo = max(0, time.Duration(seconds*float64(time.Second)))
	return nil
}

// Remember keeps what was seen; a value that differs from the one before changed now.
func (e *Engine) Remember(ctx context.Context, p *plan.Plan, seen []engine.Evidence) error {
	for _, v := range seen {
		if !v.Available {
			continue
		}
		_, err := e.db.ExecContext(ctx, `INSERT /* phased */ INTO phased.evidence AS e (migration, kind, value) VALUES ($1, $2, $3)
 ON CONFLICT (migration, kind) DO UPDATE SET value = excluded.value, observed_at = pg_catalog.clock_timestamp(),
   changed_at = CASE WHEN e.value = excluded.value THEN e.changed_at ELSE pg_catalog.clock_timestamp() END`, p.Migration.Name, v.Kind, v.Value)
		if err != nil {
			return fmt.Errorf("remember the evidence of %s: %w", p.Migration.Name, err)
		}
	}
	return nil
}

// writes sums the evidence sequences of the plan's pairs.
func (e *Engine) writes(ctx context.Context, p *plan.Plan) (v engine.Evidence, counted bool, err error) {
	v = engine.Evidence{Kind: evidenceWrites, Available: true}
	var sum int64
	for _, l := range p.Links() {
		if l.Evidence == "" {
			continue
		}
		counted = true
		ok, err := e.isSequence(ctx, l.Evidence)
		if err != nil {
			return v, true, err
		}
		if !ok {
			v.Available, v.Why = false, fmt.Sprintf("the sequence %s, which counts writes to %s.%s, is missing", l.Evidence, l.Table, l.Old)
			continue
		}
		var n int64
		err = e.db.QueryRowContext(ctx, "SELECT /* phased */ CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM "+l.Evidence).Scan(&n)
		if code(err) == "42501" { // insufficient_privilege
			v.Available, v.Why = false, fmt.Sprintf("the connected role may not read the sequence %s; GRANT SELECT on it, or connect as the role that ran expand", l.Evidence)
			continue
		}
		if err != nil {
			return v, true, fmt.Errorf("read evidence sequence %s: %w", l.Evidence, err)
		}
		sum += n
	}
	v.Value = strconv.FormatInt(sum, 10)
	return v, counted, nil
}

func (e *Engine) isSequence(ctx context.Context, name string) (bool, error) {
	var ok bool
	err := e.db.QueryRowContext(ctx, `SELECT /* phased */ EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1) AND relkind = 'S')`, name).Scan(&ok)
	if err != nil {
		return false, fmt.Errorf("look for evidence sequence %s: %w", name, err)
	}
	return ok, nil
}

// usage is a condition on a statement's text: it names the old side. It is "" where
// the plan takes no name away.
func usage(p *plan.Plan, text string) string {
	var any []string
	seen := map[string]bool{}
	add := func(cond string) {
		if !seen[cond] {
			seen[cond] = true
			any = append(any, cond)
		}
	}
	column := func(table, column string) { add("(" + mentions(text, table) + " AND " + mentions(text, column) + ")") }
	for _, l := range p.Links() {
		column(l.Table, oldName(l))
		if l.Hidden != "" {
			column(l.Table, l.Hidden)
		}
	}
	for _, s := range p.Migration.Statements {
		switch c := s.Change.(type) {
		case plan.RenameColumn:
			column(c.Table, c.From)
		case plan.DropColumn:
			column(c.Table, c.Column)
		case plan.RenameTable:
			add(mentions(text, c.From))
		}
	}
	if len(any) == 0 {
		return ""
	}
	return "(" + strings.Join(any, " OR ") + ")"
}

// reading matches the statements that use a table, after comments and brackets
// (sqlc and tracers put a comment first). PREPARE and DECLARE stand for the query in
// them; DO for the script. DDL is no use of a column.
const reading = `^([[:space:](;]|/\*([^*]|\*+[^*/])*\*+/|--[^\n]*\n)*(select|insert|update|delete|merge|copy|with|prepare|declare|do)\M`

// noText is what others' statements look like to a role without pg_read_all_stats.
const noText = `<insufficient privilege>`

// reads sums the calls of statements that name the old side.
func (e *Engine) reads(ctx context.Context, p *plan.Plan) (v engine.Evidence, asked bool, err error) {
	v = engine.Evidence{Kind: evidenceReads}
	cond := usage(p, "s.query")
	if cond == "" {
		return v, false, nil
	}
	view, why, err := e.statements(ctx)
	if err != nil {
		return v, true, err
	}
	if view == "" {
		v.Why = why
		return v, true, nil
	}
	var sample sql.NullString
	var hidden int64
	err = e.db.QueryRowContext(ctx, fmt.Sprintf(`WITH /* phased */ s AS MATERIALIZED (
  SELECT query, calls FROM %s WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())),
used AS (SELECT s.query, s.calls FROM s WHERE pg_catalog.strpos(s.query, '/* phased */') = 0 AND s.query ~* %s AND %s)
SELECT COALESCE((SELECT pg_catalog.sum(calls) FROM used), 0)::text,
  (SELECT query FROM used ORDER BY pg_catalog.length(query), query LIMIT 1),
  (SELECT pg_catalog.count(*) FROM s WHERE query IS NULL OR query = %s)`, view, literal(reading), cond, literal(noText))).Scan(&v.Value, &sample, &hidden)
	switch c := code(err); {
	case c == "55000" || c == "42501": // not preloaded; may not read it
		v.Why = fmt.Sprintf("pg_stat_statements cannot be read (%s)", c)
		if c == "55000" {
			v.Why += "; put it into shared_preload_libraries and restart the server"
		} else {
			v.Why += "; GRANT pg_read_all_stats to the connected role"
		}
		return v, true, nil
	case err != nil:
		return v, true, fmt.Errorf("read pg_stat_statements: %w", err)
	case hidden > 0:
		v.Why = fmt.Sprintf("the text of %d statements of other roles is hidden from the connected role; GRANT pg_read_all_stats to it", hidden)
		v.Value = ""
		return v, true, nil
	}
	v.Available, v.Sample = true, shorten(sample.String)
	return v, true, nil
}

// statements names the view, or says why there is nothing to read in it.
func (e *Engine) statements(ctx context.Context) (view, why string, err error) {
	var schemaName, track sql.NullString
	err = e.db.QueryRowContext(ctx, `SELECT /* phased */ (SELECT n.nspname FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
  WHERE x.extname = 'pg_stat_statements'), pg_catalog.current_setting('pg_stat_statements.track', true)`).Scan(&schemaName, &track)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("look for pg_stat_statements: %w", err)
	case !schemaName.Valid:
		return "", "the extension pg_stat_statements is not in this database; add it to shared_preload_libraries and run CREATE EXTENSION pg_stat_statements", nil
	case track.String == "none":
		return "", "pg_stat_statements counts nothing: pg_stat_statements.track is none; set it to top", nil
	}
	return qualified(schemaName.String, "pg_stat_statements"), "", nil
}

// shorten puts a statement on one line of at most 120 characters.
func shorten(query string) string {
	r := []rune(strings.Join(strings.Fields(query), " "))
	if len(r) > 120 {
		return string(r[:119]) + "…"
	}
	return string(r)
}
