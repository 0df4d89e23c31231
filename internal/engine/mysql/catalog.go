package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/phasedb/phased/internal/schema"
)

// The catalog as information_schema and SHOW CREATE TABLE show it on a pinned session.
// Nothing of it depends on the database's name, on counters or on the session.

// find gives the name of a relation as the server keeps it; "" where there is none.
func find(ctx context.Context, q querier, name string) (string, error) {
	found, err := list(ctx, q, `SELECT /* phased */ TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?
		AND (@@lower_case_table_names <> 0 OR CAST(TABLE_NAME AS BINARY) = CAST(? AS BINARY))`, name, name)
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", name, err)
	}
	if len(found) == 0 {
		return "", nil
	}
	return found[0], nil
}

// table reads one relation into the model; nil where there is none. c is a pinned session.
func table(ctx context.Context, c querier, name string) (*schema.Table, error) {
	t := &schema.Table{Name: name, MayAlter: true}
	var kind string
	var engine, options, collation sql.NullString
	err := c.QueryRowContext(ctx, `SELECT /* phased */ TABLE_TYPE, ENGINE, CREATE_OPTIONS, TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?`, name).Scan(&kind, &engine, &options, &collation)
	if err == sql.ErrNoRows {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the catalog of %s: %w", name, err)
	}
	t.Engine, t.Collation, t.Kind = engine.String, collation.String, schema.KindOther
	switch kind {
	case "BASE TABLE":
		t.Kind = schema.KindTable
	case "VIEW", "SYSTEM VIEW":
		t.Kind = schema.KindView
	case "SYSTEM VERSIONED":
		t.Kind, t.Versioned = schema.KindTable, true
	}
	if t.Kind != schema.KindTable {
		return t, nil
	}
	if strings.Contains(strings.ToLower(options.String), "partitioned") {
		t.Kind = schema.KindPartitionedTable
	}
	text, err := showCreate(ctx, c, name)
	if err != nil {
		return nil, fmt.Errorf("read the definition of %s: %w", name, err)
	}
	parsed, err := parseCreate(text)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	for _, read := range []func(context.Context, querier, *schema.Table, *created) error{readColumns, readKeys, readPartitions, readReferences, readTriggers} {
		if err := read(ctx, c, t, parsed); err != nil {
			return nil, fmt.Errorf("read the catalog of %s: %w", name, err)
		}
	}
	t.Normalize()
	return t, nil
}

// showCreate reads the statement that would create the table. The bytes of a binary
// default come as they are only where the server is not asked to convert them.
func showCreate(ctx context.Context, c querier, name string) (text string, err error) {
	if _, err = c.ExecContext(ctx, "SET SESSION character_set_results = NULL"); err != nil {
		return "", err
	}
	var again, database string
	err = c.QueryRowContext(ctx, "SHOW /* phased */ CREATE TABLE "+ident(name)).Scan(&again, &text)
	if _, back := c.ExecContext(ctx, "SET SESSION character_set_results = utf8mb4"); err == nil {
		err = back
	}
	if err == nil {
		err = c.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&database)
	}
	return without(text, ident(database)), err
}

// without takes a name off where it qualifies another one (`db`.`sequence`).
func without(text, name string) string {
	var b strings.Builder
	qualifies := false
	scan(text, func(i int, token string, _ int) bool {
		if qualifies {
			qualifies = false // the dot
			return true
		}
		if token == name && strings.HasPrefix(text[i+len(token):], ".") {
			qualifies = true
			return true
		}
		b.WriteString(token)
		return true
	})
	return b.String()
}

func readColumns(ctx context.Context, c querier, t *schema.Table, p *created) error {
	rows, err := c.QueryContext(ctx, `SELECT /* phased */ COLUMN_NAME, COLUMN_TYPE, COALESCE(CHARACTER_SET_NAME, ''), COALESCE(COLLATION_NAME, ''), IS_NULLABLE, EXTRA, COLUMN_COMMENT
		FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`, t.Name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var col schema.Column
		var charset, collation, nullable, extra string
		if err := rows.Scan(&col.Name, &col.Type, &charset, &collation, &nullable, &extra, &col.Comment); err != nil {
			return err
		}
		if charset != "" {
			col.Type += " CHARACTER SET " + charset + " COLLATE " + collation
		}
		col.NotNull = nullable == "NO"
		col.Number = len(t.Columns) + 1
		extra = strings.ToLower(extra)
		if strings.Contains(extra, "auto_increment") {
			col.Identity = "auto_increment"
		}
		switch {
		case strings.Contains(extra, "virtual generated"):
			col.Generated = "virtual"
		case strings.Contains(extra, "stored generated"), strings.Contains(extra, "persistent"):
			col.Generated = "stored"
		}
		col.Invisible = strings.Contains(extra, "invisible")
		i := slices.IndexFunc(p.columns, func(x createdColumn) bool { return x.name == col.Name })
		if i < 0 {
			return fmt.Errorf("column %s is not in what SHOW CREATE TABLE gave", col.Name)
		}
		x := p.columns[i]
		col.Declared, col.OnUpdate, col.Expression, col.Options = x.typ, now(x.onUpdate), x.generated, x.options
		col.Default, col.DefaultClass = readDefault(col.Type, x.def)
		if x.versioning {
			t.Versioned = true
		}
		if x.check != "" {
			t.Constraints = append(t.Constraints, schema.Constraint{Name: col.Name, Kind: schema.ConstraintCheck, Definition: "CHECK " + x.check, Columns: unique(append(namesIn(x.check), col.Name)), Valid: true})
		}
		t.Columns = append(t.Columns, col)
	}
	return rows.Err()
}

// readKeys reads indexes, foreign keys and checks.
func readKeys(_ context.Context, _ querier, t *schema.Table, p *created) error {
	for _, k := range p.keys {
		x := schema.Index{Name: k.name, Definition: k.text, Plain: true, Valid: true, Immediate: true}
		switch k.kind {
		case "PRIMARY KEY":
			x.Name, x.Unique, x.Primary, x.Constraint = "PRIMARY", true, true, "PRIMARY"
		case "UNIQUE KEY":
			x.Unique = true
		case "KEY":
		case "PERIOD FOR SYSTEM_TIME":
			t.Versioned = true
			continue
		default:
			x.Type = strings.ToLower(strings.TrimSuffix(k.kind, " KEY"))
		}
		for _, part := range k.parts() {
			if part.column == "" {
				x.Plain = false
				x.Columns = append(x.Columns, namesIn(part.expression)...)
				continue
			}
			x.Plain = x.Plain && part.whole
			x.Columns, x.Key = append(x.Columns, part.column), append(x.Key, part.column)
		}
		x.Columns = unique(x.Columns)
		for _, word := range strings.Fields(strings.ToUpper(outsideQuotes(k.text))) {
			if word == "INVISIBLE" || word == "IGNORED" {
				x.Valid = false // no statement uses it
			}
		}
		t.Indexes = append(t.Indexes, x)
	}
	for _, k := range p.others {
		con := schema.Constraint{Name: k.name, Definition: k.text, Valid: true}
		switch k.kind {
		case "FOREIGN":
			con.Kind = schema.ConstraintForeign
			readForeignKey(&con)
		case "CHECK":
			con.Kind = schema.ConstraintCheck
			con.Columns = unique(namesIn(k.text))
			con.Valid = !strings.Contains(strings.ToUpper(outsideQuotes(k.text)), "NOT ENFORCED")
		default:
			continue
		}
		t.Constraints = append(t.Constraints, con)
	}
	if strings.Contains(strings.ToUpper(outsideQuotes(p.tail)), "WITH SYSTEM VERSIONING") {
		t.Versioned = true
	}
	return nil
}

// readForeignKey reads FOREIGN KEY (`a`) REFERENCES `p` (`id`) ON DELETE CASCADE.
func readForeignKey(k *schema.Constraint) {
	_, rest := leadingWord(k.Definition)
	_, rest = leadingWord(rest)
	list, rest, _ := parens(rest)
	k.Columns = namesIn(list)
	_, rest = leadingWord(rest) // REFERENCES
	end := strings.Index(rest, " (")
	if end < 0 {
		return
	}
	k.References = rest[:end]
	list, rest, _ = parens(rest[end+1:])
	k.RefColumns, k.Tail = namesIn(list), rest
}

// readPartitions reads the columns by which a table is partitioned.
func readPartitions(ctx context.Context, c querier, t *schema.Table, _ *created) error {
	if t.Kind != schema.KindPartitionedTable {
		return nil
	}
	found, err := list(ctx, c, `SELECT /* phased */ DISTINCT CONCAT_WS(', ', PARTITION_EXPRESSION, SUBPARTITION_EXPRESSION) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?`, t.Name)
	if err != nil {
		return err
	}
	for _, expr := range found {
		t.PartitionKey = unique(append(t.PartitionKey, namesIn(expr)...))
	}
	if len(t.PartitionKey) == 0 { // BY KEY () takes the primary key
		for _, x := range t.Indexes {
			if x.Primary {
				t.PartitionKey = x.Key
			}
		}
	}
	return nil
}

// readReferences reads foreign keys that point to the table.
func readReferences(ctx context.Context, c querier, t *schema.Table, _ *created) error {
	rows, err := c.QueryContext(ctx, `SELECT /* phased */ CONSTRAINT_NAME, IF(TABLE_SCHEMA = DATABASE(), '', TABLE_SCHEMA), TABLE_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
		FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME = ? ORDER BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION`, t.Name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, database, of, column, referenced, refColumn string
		if err := rows.Scan(&name, &database, &of, &column, &referenced, &refColumn); err != nil {
			return err
		}
		if referenced != t.Name && !strings.EqualFold(referenced, t.Name) {
			continue
		}
		of = ident(of)
		if database != "" {
			of = ident(database) + "." + of
		}
		last := len(t.ReferencedBy) - 1
		if last < 0 || t.ReferencedBy[last].Name != name || t.ReferencedBy[last].Table != of {
			t.ReferencedBy = append(t.ReferencedBy, schema.Constraint{Name: name, Kind: schema.ConstraintForeign, Table: of, Valid: true})
			last++
		}
		k := &t.ReferencedBy[last]
		k.Columns, k.RefColumns = append(k.Columns, column), append(k.RefColumns, refColumn)
	}
	return rows.Err()
}

// readTriggers reads other people's triggers.
func readTriggers(ctx context.Context, c querier, t *schema.Table, _ *created) error {
	rows, err := c.QueryContext(ctx, `SELECT /* phased */ TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, DEFINER FROM information_schema.TRIGGERS
		WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = ? ORDER BY ACTION_ORDER`, t.Name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var timing, event string
		g := schema.Trigger{Row: true, Enabled: "O"}
		if err := rows.Scan(&g.Name, &timing, &event, &g.Source, &g.Definer); err != nil {
			return err
		}
		if strings.HasPrefix(g.Name, triggerPrefix) {
			continue
		}
		g.Before, g.Insert, g.Update, g.Delete = timing == "BEFORE", event == "INSERT", event == "UPDATE", event == "DELETE"
		t.Triggers = append(t.Triggers, g)
	}
	return rows.Err()
}

// unique keeps the first of each.
func unique(names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// outsideQuotes is a text without its quoted tokens.
func outsideQuotes(text string) string {
	var b strings.Builder
	scan(text, func(_ int, token string, _ int) bool {
		if len(token) == 1 {
			b.WriteString(token)
		}
		return true
	})
	return b.String()
}
