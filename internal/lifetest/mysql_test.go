package lifetest

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"

	driver "github.com/go-sql-driver/mysql"
	"pgregory.net/rapid"

	"github.com/phasedb/phased/expand/plan"
)

// mysql is the family of MariaDB, or of MySQL.
type mysql struct{ dialect plan.Dialect }

func (f mysql) name() string  { return string(f.dialect) }
func (f mysql) mariadb() bool { return f.dialect == plan.DialectMariaDB }

// open names the program in each session's variable @program, for the triggers that
// write the journal, and in the connection's attributes, for whoever looks at sessions.
func (f mysql) open(dsn, program string) (*sql.DB, error) {
	cfg, err := driver.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.ClientFoundRows = true // an update that changes nothing has found its row
	cfg.ConnectionAttributes = "program_name:" + program
	cfg.Params = map[string]string{"@program": "'" + program + "'"}
	cfg.Logger = &driver.NopLogger{}
	if os.Getenv(roleVar) != "" {
		cfg.DialFunc = severable()
	}
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// severSignal makes a program lose all its connections at once. The servers notice when
// they next read from them; what they are at, they finish.
const severSignal = syscall.SIGUSR1

func severable() func(ctx context.Context, network, address string) (net.Conn, error) {
	var mu sync.Mutex
	var conns []net.Conn
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, severSignal)
	go func() {
		for range signals {
			mu.Lock()
			for _, c := range conns {
				c.Close()
			}
			conns = nil
			mu.Unlock()
		}
	}()
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
		}
		return c, err
	}
}

// types: none of the values is what a column that cannot have a default for a
// placeholder holds in rows that are not filled yet.
func (f mysql) types() []columnType {
	document := []string{`{"a":1}`, `{"a": 1}`, `[]`, `"x"`, `1.0`}
	if !f.mariadb() { // it keeps documents in one form, and takes 1.0 for 1
		document = []string{`{"a": 1}`, `{"a": 2.0}`, `[]`, `"x"`, `[true, {"b": ""}]`}
	}
	return []columnType{
		{"integer", []string{"0", "1", "-7", "2147483647", "42"}},
		{"varchar(40)", []string{"bob", "Bob", "", "bob ", "bób"}},
		{"varchar(40) CHARACTER SET latin1 COLLATE latin1_general_cs", []string{"a", "A", "", "'quoted'", `back\slash`}},
		{"text", []string{"bob", "Bob", "x\ny", "bob ", "ü"}},
		{"decimal(12,3)", []string{"0.000", "1.000", "1.001", "-3.140", "999999999.999"}},
		{"datetime(6)", []string{"2026-01-01 00:00:00.000000", "2026-01-01 00:00:00.000001", "1999-12-31 23:59:59.999999", "0001-01-01 00:00:00.000000"}},
		{"json", document},
		{"bigint unsigned", []string{"0", "1", "18446744073709551614", "42"}},
		{"enum('z','x','X2','ü')", []string{"x", "X2", "ü"}},
		{"varbinary(20)", []string{"a", "a ", "A", "", "'"}},
		{"double", []string{"0", "1.5", "-2.25", "1e+30", "0.1"}},
		{"date", []string{"2026-01-01", "1999-12-31", "2024-02-29"}},
		{"timestamp(3)", []string{"2026-01-01 00:00:00.000", "2026-01-01 00:00:00.001", "1999-12-31 23:59:59.000"}},
	}
}

// base is the type without its parameters.
func (s shape) base() string {
	base, _, _ := strings.Cut(s.Type, " ")
	base, _, _ = strings.Cut(base, "(")
	return base
}

// choose draws what a column can be on these servers only.
func (mysql) choose(t *rapid.T, s shape) shape {
	if s.Key == "bigint" {
		s.Key = rapid.SampledFrom([]string{"auto", "bigint", "varchar"}).Draw(t, "other key")
	}
	if s.Partitioned {
		return s
	}
	switch s.base() {
	case "integer", "varchar", "decimal", "datetime", "bigint", "varbinary":
		s.Foreign = rapid.IntRange(0, 3).Draw(t, "foreign key") == 3
	}
	switch s.base() {
	case "varchar", "varbinary":
		s.Unique = !s.Foreign && s.Default == "" && rapid.IntRange(0, 3).Draw(t, "unique") == 3
	}
	return s
}

// allowed: a column that a CHECK names is refused, and so are some types as index and with a default.
func (f mysql) allowed(s shape) shape {
	s.Check = false
	switch s.base() {
	case "json":
		s.Default, s.Index = "", false
	case "text":
		if !f.mariadb() {
			s.Default = ""
		}
	}
	return s
}

var plainText = regexp.MustCompile(`^[-A-Za-z0-9 _.:]*$`)

// literal means the same in every sql_mode and character set.
func (mysql) literal(text string) string {
	if plainText.MatchString(text) {
		return "'" + text + "'"
	}
	return "_utf8mb4 X'" + hex.EncodeToString([]byte(text)) + "'"
}

func (f mysql) value(_ shape, v *string) string {
	if v == nil {
		return "NULL"
	}
	return f.literal(*v)
}

func (f mysql) ddl(s shape, table string) []string {
	lines := []string{map[string]string{
		"auto":      "k1 bigint NOT NULL AUTO_INCREMENT",
		"bigint":    "k1 bigint NOT NULL",
		"uuid":      "k1 char(36) NOT NULL",
		"varchar":   "k1 varchar(40) NOT NULL",
		"composite": "k1 int NOT NULL, k2 varchar(40) NOT NULL",
	}[s.Key], "part int NOT NULL DEFAULT 0"}
	lines = append(lines, f.column(s, "a"), "n int NOT NULL DEFAULT 0")
	key, tail := s.keyColumns(), ""
	if s.Partitioned {
		key, tail = key+", part", " PARTITION BY LIST (part) (PARTITION p0 VALUES IN (0), PARTITION p1 VALUES IN (1))"
	}
	lines = append(lines, "PRIMARY KEY ("+key+")")
	if s.Index {
		prefix := ""
		if s.base() == "text" {
			prefix = "(10)"
		}
		lines = append(lines, fmt.Sprintf("INDEX %s_a (a%s, n)", table, prefix))
	}
	if s.Unique {
		lines = append(lines, fmt.Sprintf("UNIQUE INDEX %s_u (a)", table))
	}
	if s.Foreign {
		lines = append(lines, fmt.Sprintf("CONSTRAINT %s_f FOREIGN KEY (a) REFERENCES kinds (id)", table))
	}
	return []string{fmt.Sprintf("CREATE TABLE %s (%s) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4%s", table, strings.Join(lines, ", "), tail)}
}

func (f mysql) column(s shape, name string) string {
	col := name + " " + s.Type
	if s.NotNull {
		col += " NOT NULL"
	} else {
		col += " NULL"
	}
	if s.Default != "" {
		col += " DEFAULT " + f.literal(s.Default)
	}
	return col
}

func (f mysql) prepare(s shape) []string {
	var out []string
	if s.Foreign {
		out = append(out, fmt.Sprintf("CREATE TABLE kinds (id %s NOT NULL PRIMARY KEY) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4", s.Type))
		for _, v := range s.Values {
			out = append(out, "INSERT IGNORE INTO kinds VALUES ("+f.literal(v)+")") // some are alike to the key
		}
	}
	return append(out, f.ddl(s, "items")...)
}

// current is a transaction that reads what is there now, and not what was there when
// it began. Only for rows that it has locked already.
type current struct{ querier }

// image: what is only there while a name is taken is invisible, so that * leaves it out.
func (mysql) image(ctx context.Context, q querier, s shape, n int) (map[string]*string, error) {
	query := "SELECT * FROM items WHERE " + s.where(n)
	if _, ok := q.(current); ok {
		query += " LOCK IN SHARE MODE"
	}
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || !rows.Next() {
		return nil, firstError(err, rows.Err())
	}
	values := make([]any, len(names))
	for i := range values {
		values[i] = new(*string)
	}
	if err := rows.Scan(values...); err != nil {
		return nil, err
	}
	m := map[string]*string{}
	for i, name := range names {
		if slices.Contains(sides, name) {
			m[name] = *values[i].(**string)
		}
	}
	return m, rows.Close()
}

// sides are the names under which a column of a change may be there.
var sides = []string{"a", "b", "a~hidden"}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (mysql) upsert(s shape, n int, column, value string) string {
	return fmt.Sprintf("INSERT INTO items (%s, %s, n) VALUES (%s, %s, 1) ON DUPLICATE KEY UPDATE %[2]s = VALUES(%[2]s), n = items.n + 1",
		s.keyColumns(), column, s.keyOf(n), value)
}

func (mysql) lockRow(s shape, n int) string {
	return fmt.Sprintf("SELECT n FROM items WHERE %s FOR UPDATE", s.where(n))
}

func (mysql) state(table string) string { return "phased_" + table }

var (
	autoIncrement  = regexp.MustCompile(` AUTO_INCREMENT=\d+`)
	constraintName = regexp.MustCompile("CONSTRAINT `[^`]*` FOREIGN")
)

// schema is what SHOW CREATE TABLE says, line by line in order: a renamed column stands
// elsewhere. A foreign key cannot be renamed, so that its name does not count.
func (f mysql) schema(ctx context.Context, db *sql.DB, table string) (string, error) {
	var name, text string
	if err := db.QueryRowContext(ctx, "SHOW CREATE TABLE `"+table+"`").Scan(&name, &text); err != nil {
		return "", err
	}
	text = autoIncrement.ReplaceAllString(text, "")
	text = constraintName.ReplaceAllString(text, "CONSTRAINT FOREIGN")
	text = strings.ReplaceAll(text, "`"+table, "`T")
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.Trim(lines[i], " ,")
	}
	rows, err := db.QueryContext(ctx, "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = ?", table)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var trigger string
		if err := rows.Scan(&trigger); err != nil {
			return "", err
		}
		lines = append(lines, "trigger "+trigger)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), rows.Err()
}

// zero is the default that a column has while it is kept in step, where it is NOT NULL and has none.
func (mysql) zero(s shape) string {
	switch s.base() {
	case "integer", "bigint", "double":
		return "0"
	case "decimal":
		return "0.000"
	}
	return ""
}
