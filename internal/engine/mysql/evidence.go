package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// evidenceReads is the only kind of evidence here: no counter outlives the rollback of
// the transaction that bumped it, and that every account could bump.
const evidenceReads = "reads"

// Evidence looks at what performance_schema says about statements that name the old
// side. A plan that takes no name away has none.
func (e *Engine) Evidence(ctx context.Context, p *plan.Plan) (out []engine.Evidence, err error) {
	uses := usage(p)
	if len(uses) == 0 {
		return nil, nil
	}
	err = e.look(ctx, "look for statements that name the old side of "+p.Migration.Name, func(c *sql.Conn) error {
		v, err := e.reads(ctx, c, uses)
		if err == nil {
			err = still(ctx, c, p, &v)
		}
		out = []engine.Evidence{v}
		return err
	})
	return out, err
}

// still says for how long the value has been the remembered one. A value that went
// down (the statistics were reset, the server was started) differs too.
func still(ctx context.Context, c querier, p *plan.Plan, v *engine.Evidence) error {
	var micros int64
	err := c.QueryRowContext(ctx, "SELECT "+age("changed_at")+" FROM phased_evidence WHERE migration = ? AND kind = ? AND value = ?", p.Migration.Name, v.Kind, v.Value).Scan(&micros)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	v.ChangedAgo = max(0, time.Duration(micros)*time.Microsecond)
	return err
}

// Remember keeps what was seen; a value that differs from the one before changed now.
func (e *Engine) Remember(ctx context.Context, p *plan.Plan, seen []engine.Evidence) error {
	return e.look(ctx, "remember the evidence of "+p.Migration.Name, func(c *sql.Conn) error {
		for _, v := range seen {
			if !v.Available {
				continue
			}
			// Assignments are made from left to right, and see each other.
			_, err := c.ExecContext(ctx, `INSERT INTO phased_evidence (migration, kind, value, changed_at, observed_at) VALUES (?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
				ON DUPLICATE KEY UPDATE changed_at = IF(value = ?, changed_at, UTC_TIMESTAMP(6)), observed_at = UTC_TIMESTAMP(6), value = ?`, p.Migration.Name, v.Kind, v.Value, v.Value, v.Value)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// use is a name that the plan takes away: a table's, or a column's of a table.
type use struct{ table, column string }

// usage lists the names that the plan takes away.
func usage(p *plan.Plan) []use {
	var out []use
	seen := map[use]bool{}
	add := func(table, column string) {
		if u := (use{table, column}); !seen[u] {
			seen[u] = true
			out = append(out, u)
		}
	}
	for _, l := range p.Links() {
		add(l.Table, ownName(l))
		if l.Hidden != "" {
			add(l.Table, l.Hidden)
		}
	}
	for _, s := range p.Migration.Statements {
		switch c := s.Change.(type) {
		case plan.RenameColumn:
			add(c.Table, c.From)
		case plan.DropColumn:
			add(c.Table, c.Column)
		case plan.RenameTable:
			add(c.From, "")
		}
	}
	return out
}

// reads sums the executions of statements that name the old side.
func (e *Engine) reads(ctx context.Context, c querier, uses []use) (engine.Evidence, error) {
	v, err := e.count(ctx, c, uses)
	if mayNot(err) {
		return engine.Evidence{Kind: evidenceReads, Why: "this account may not read performance_schema; GRANT SELECT ON performance_schema.* TO it"}, nil
	}
	return v, err
}

func (e *Engine) count(ctx context.Context, c querier, uses []use) (engine.Evidence, error) {
	v := engine.Evidence{Kind: evidenceReads}
	why, err := uncounted(ctx, c)
	if err != nil || why != "" {
		v.Why = why
		return v, err
	}
	digests, err := digests(ctx, c, uses)
	if err != nil {
		return v, err
	}
	var sum, cut, lost int64
	for _, d := range digests {
		switch {
		case !d.text.Valid:
			lost += d.count
		case d.uses(uses):
			sum += d.count
			if v.Sample == "" || len(d.text.String) < len(v.Sample) {
				v.Sample = d.text.String
			}
		case reading[d.verb()] && !d.ours() && d.cut():
			cut++
		}
	}
	var not []string
	if lost > 0 {
		not = append(not, fmt.Sprintf("the server's table of statements is full, %d executions are not told apart (raise performance_schema_digests_size, or TRUNCATE performance_schema.events_statements_summary_by_digest)", lost))
	}
	if cut > 0 {
		not = append(not, fmt.Sprintf("of %d statements only the beginning is known (raise max_digest_length and performance_schema_max_digest_length)", cut))
	}
	v.Available, v.Value = true, strconv.FormatInt(sum, 10)
	if e.mariadb() {
		if err := open(ctx, c, uses, &v); err != nil {
			return v, err
		}
		not = append(not, "MariaDB does not count prepared statements, which the driver makes of those with arguments unless interpolateParams=true; only those that are open at the moment are seen")
	}
	v.Why, v.Sample = strings.Join(not, "; "), shorten(v.Sample)
	return v, nil
}

// digests reads the statements that may name one of these: of this database, those
// that name it from elsewhere, and the row for what the server had no room for.
func digests(ctx context.Context, c querier, uses []use) ([]digest, error) {
	conditions := []string{"LENGTH(DIGEST_TEXT) * 2 > @@GLOBAL.max_digest_length"} // those that may be cut off
	var args []any
	for _, u := range uses {
		for _, word := range spellings(u.table) {
			part, _, _ := strings.Cut(word, "`") // which may be doubled there
			conditions = append(conditions, "LOCATE(?, DIGEST_TEXT) > 0")
			args = append(args, part)
		}
	}
	return records(ctx, c, func(r *sql.Rows) (d digest, err error) {
		return d, r.Scan(&d.schema, &d.text, &d.count, &d.current, &d.limit)
	}, `SELECT /* phased */ SCHEMA_NAME, DIGEST_TEXT, COUNT_STAR, DATABASE(), LEAST(@@GLOBAL.max_digest_length, @@GLOBAL.performance_schema_max_digest_length)
		FROM performance_schema.events_statements_summary_by_digest
		WHERE DIGEST IS NULL OR (SCHEMA_NAME = DATABASE() OR LOCATE(DATABASE(), DIGEST_TEXT) > 0) AND (`+strings.Join(conditions, " OR ")+")", args...)
}

// uncounted says why the server counts no statements; "" that it does.
func uncounted(ctx context.Context, c querier) (string, error) {
	var on string
	var consumers, instruments int
	err := c.QueryRowContext(ctx, `SELECT /* phased */ @@GLOBAL.performance_schema,
		(SELECT COUNT(*) FROM performance_schema.setup_consumers WHERE NAME IN ('global_instrumentation', 'statements_digest') AND ENABLED = 'NO'),
		(SELECT COUNT(*) FROM performance_schema.setup_instruments WHERE NAME IN ('statement/sql/select', 'statement/sql/insert', 'statement/sql/update', 'statement/sql/delete') AND ENABLED = 'NO')`).
		Scan(&on, &consumers, &instruments)
	switch {
	case err != nil:
		return "", err
	case !isOn(on):
		return "performance_schema is OFF; set performance_schema = ON in the server's configuration and restart it", nil
	case consumers > 0:
		return "performance_schema counts no statements; UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME IN ('global_instrumentation', 'statements_digest')", nil
	case instruments > 0:
		return "performance_schema does not count every kind of statement; UPDATE performance_schema.setup_instruments SET ENABLED = 'YES' WHERE NAME LIKE 'statement/sql/%'", nil
	}
	return "", nil
}

// open counts prepared statements that are open at this moment and name the old side.
// How often they run is not told, so each look that finds one is a change.
func open(ctx context.Context, c querier, uses []use, v *engine.Evidence) error {
	var now string
	found, err := records(ctx, c, func(r *sql.Rows) (d digest, err error) {
		return d, r.Scan(&d.schema, &d.text, &d.current, &now)
	}, `SELECT /* phased */ t.PROCESSLIST_DB, s.SQL_TEXT, DATABASE(), `+timeText("UTC_TIMESTAMP(6)")+` FROM performance_schema.prepared_statements_instances s JOIN performance_schema.threads t ON t.THREAD_ID = s.OWNER_THREAD_ID`)
	if err != nil {
		return err
	}
	for _, d := range found {
		if d.uses(uses) {
			v.Value, v.Sample = v.Value+" and prepared at "+now, d.text.String
			return nil
		}
	}
	return nil
}

// digest is a statement as the server keeps it: names in backticks, values as ?, no comments.
type digest struct {
	schema  sql.NullString // the current database when it ran
	text    sql.NullString
	count   int64
	current string // our database
	limit   int    // of what the server keeps of one, in bytes; 0: not known
}

// reading are the words that statements begin with that use a table. DDL is no use of
// a column.
var reading = map[string]bool{"SELECT": true, "INSERT": true, "UPDATE": true, "DELETE": true, "REPLACE": true, "WITH": true, "TABLE": true, "VALUES": true, "DO": true, "LOAD": true, "HANDLER": true, "CALL": true}

// verb is the word that the statement begins with, behind comments, brackets and what
// says that it is a prepared one.
func (d digest) verb() string {
	text := d.text.String
	for {
		text = strings.TrimLeft(text, "( \t\r\n")
		if text == "" {
			return ""
		}
		if n := comment(text); n > 0 {
			text = text[n:]
			continue
		}
		first, rest, _ := strings.Cut(text, " ")
		if first = strings.ToUpper(first); first != "PREPARE" && first != "EXECUTE" {
			return strings.TrimRight(first, "\t\r\n")
		}
		text = rest
	}
}

// oursIn finds a statement of phased's. A comment does not stand in a digest; an alias
// and the names of our tables and of copies do.
var oursIn = regexp.MustCompile("`(" + rowAlias + "`|" + triggerPrefix + "|phased_(evidence|event|fill|instance|lease|link|meta|migration|poison|register|step)`)|/\\* phased \\*/")

func (d digest) ours() bool { return oursIn.MatchString(d.text.String) }

// uses reports whether the statement names one of these, and is not ours.
func (d digest) uses(uses []use) bool {
	text := d.text.String
	if !reading[d.verb()] || d.ours() {
		return false
	}
	if d.schema.String != d.current && !names(text, d.current) {
		return false
	}
	for _, u := range uses {
		table, column := spelled(text, u.table), u.column == "" || spelled(text, u.column)
		if column && (table || u.column != "" && d.cut()) {
			return true
		}
	}
	return false
}

// cut reports that the server may have kept the statement's beginning only, which it
// does not say. It keeps two bytes for each word, and for a name its length and itself
// too: there was no room for another name.
func (d digest) cut() bool {
	size := 0
	for text := d.text.String; text != ""; {
		switch {
		case text[0] == ' ':
			text = text[1:]
		case text[0] == '`':
			n := quotedLen(text)
			size += 4 + n - 2
			text = text[n:]
		default:
			_, text, _ = strings.Cut(text, " ")
			size += 2
		}
	}
	return d.limit > 0 && size+4+maxName > d.limit
}

// tokens are the names that are also words of the language, where the server writes
// another word of the same meaning into a digest when they stand without quotes.
var tokens = map[string]string{"any": "SOME", "columns": "FIELDS", "day": "SQL_TSI_DAY", "hour": "SQL_TSI_HOUR", "io_thread": "RELAY_THREAD", "minute": "SQL_TSI_MINUTE",
	"month": "SQL_TSI_MONTH", "quarter": "SQL_TSI_QUARTER", "replica": "SLAVE", "replicas": "SLAVES", "second": "SQL_TSI_SECOND", "sql_tsi_week": "WEEK", "sql_tsi_year": "YEAR", "user": "SYSTEM_USER"}

// spellings are the names that an identifier has in a digest.
func spellings(name string) []string {
	if other := tokens[strings.ToLower(name)]; other != "" {
		return []string{name, other}
	}
	return []string{name}
}

// spelled reports whether a digest names an identifier. MySQL does not double a
// backtick inside a name.
func spelled(text, name string) bool {
	for _, s := range spellings(name) {
		if names(text, s) {
			return true
		}
	}
	return strings.Contains(name, "`") && strings.Contains(text, "`"+name+"`")
}

// shorten puts a statement on one line of at most 120 characters.
func shorten(query string) string {
	r := []rune(strings.Join(strings.Fields(query), " "))
	if len(r) > 120 {
		return string(r[:119]) + "…"
	}
	return string(r)
}
