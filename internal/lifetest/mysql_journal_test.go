package lifetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// watchSQL of PostgreSQL, with lines of text: the connection, the program, and the entry.
var mysqlWatch = []string{
	"CREATE TABLE watch_entry (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, line varbinary(2000) NOT NULL)",
	watchTrigger("lease", "AFTER UPDATE ON phased_lease", watchIf("NEW.token <> OLD.token", "'lease'", "NEW.token", "NEW.holder")+
		watchIf("NEW.connection_id IS NOT NULL AND NOT (NEW.connection_id <=> OLD.connection_id)", "'session'", "NEW.token", "''")),
	watchTrigger("step", "AFTER UPDATE ON phased_step", watchIf("NEW.done AND NOT OLD.done", "'work'", "0", "CONCAT('step: ', NEW.title)")),
	watchTrigger("migration", "AFTER UPDATE ON phased_migration", watchIf("NEW.state <> OLD.state AND NEW.state <> 'backfilling'", "'work'", "0", "CONCAT('state: ', NEW.state)")),
	watchTrigger("migration_new", "AFTER INSERT ON phased_migration", watchIf("TRUE", "'work'", "0", "CONCAT('state: ', NEW.state)")),
	watchTrigger("fill_new", "AFTER INSERT ON phased_fill", watchIf("TRUE", "'fill'", "NEW.token", "NEW.id")),
	watchTrigger("fill", "AFTER UPDATE ON phased_fill", watchIf("NOT ((NEW.token, NEW.state, NEW.at_key, NEW.filled, NEW.pass) <=> (OLD.token, OLD.state, OLD.at_key, OLD.filled, OLD.pass))",
		"CASE WHEN NEW.token <> OLD.token THEN 'claim' ELSE 'chunk' END", "NEW.token", "CONCAT(NEW.id, ' ', NEW.state)")),
}

func watchTrigger(name, on, body string) string {
	return fmt.Sprintf("CREATE TRIGGER watch_%s %s FOR EACH ROW BEGIN %sEND", name, on, body)
}

func watchIf(condition, what, token, detail string) string {
	return fmt.Sprintf("IF %s THEN INSERT INTO watch_entry (line) VALUES (CONCAT_WS('\\t', CONNECTION_ID(), COALESCE(@program, ''), %s, %s, %s)); END IF; ", condition, what, token, detail)
}

func (f mysql) watch(ctx context.Context, db *sql.DB) error {
	for _, s := range mysqlWatch {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%.60s: %w", s, err)
		}
	}
	// The binary log of this life begins with a file of its own.
	if _, err := db.ExecContext(ctx, "FLUSH BINARY LOGS"); err != nil {
		return err
	}
	files, err := binaryLogs(ctx, db)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "CREATE TABLE watch_begin AS SELECT ? AS file", filepath.Base(files[len(files)-1]))
	return err
}

// journal reads the entries from the server's binary log, with the DDL between them:
// there everything stands in the order in which it was committed. Where the server's
// files are elsewhere, it reads the entries alone.
func (f mysql) journal(ctx context.Context, db *sql.DB) ([]entry, error) {
	var database, first string
	if err := db.QueryRowContext(ctx, "SELECT DATABASE(), file FROM watch_begin").Scan(&database, &first); err != nil {
		return nil, err
	}
	files, err := binaryLogs(ctx, db)
	if err != nil {
		return nil, err
	}
	r := journalReader{programs: map[uint32]string{}}
	for _, path := range files {
		if filepath.Base(path) < first {
			continue
		}
		log, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return entriesAlone(ctx, db)
		}
		if err != nil {
			return nil, err
		}
		if err := readBinaryLog(log, database, "watch_entry", r.line, r.statement); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return r.entries, nil
}

func binaryLogs(ctx context.Context, db *sql.DB) ([]string, error) {
	var base string
	if err := db.QueryRowContext(ctx, "SELECT @@GLOBAL.log_bin_basename").Scan(&base); err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out []string
	for rows.Next() {
		var name string
		into := []any{&name}
		for range columns[1:] {
			into = append(into, new(sql.RawBytes))
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		out = append(out, filepath.Join(filepath.Dir(base), name))
	}
	return out, rows.Err()
}

func entriesAlone(ctx context.Context, db *sql.DB) ([]entry, error) {
	rows, err := db.QueryContext(ctx, "SELECT line FROM watch_entry ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	r := journalReader{programs: map[uint32]string{}}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		if err := r.line(line); err != nil {
			return nil, err
		}
	}
	return r.entries, rows.Err()
}

// journalReader makes entries of what stands in the binary log.
type journalReader struct {
	programs map[uint32]string // by connection, as their entries say
	entries  []entry
}

func (r *journalReader) line(text string) error {
	parts := strings.SplitN(text, "\t", 5)
	if len(parts) != 5 {
		return fmt.Errorf("%q is no entry of the journal", text)
	}
	connection, err := strconv.ParseUint(parts[0], 10, 32)
	if err != nil {
		return err
	}
	token, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil {
		return err
	}
	r.programs[uint32(connection)] = parts[1]
	if parts[2] != "session" {
		r.entries = append(r.entries, entry{program: parts[1], what: entryKind(parts[2]), detail: parts[4], token: token})
	}
	return nil
}

// statement keeps the DDL of a step, which runs on a session that has said before whose
// it is. What a planner tries on a copy is no work.
func (r *journalReader) statement(connection uint32, text string) {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	if !slices.Contains([]string{"ALTER", "CREATE", "DROP", "RENAME"}, strings.ToUpper(word)) || strings.Contains(text, "phased~copy~") {
		return
	}
	program, known := r.programs[connection]
	switch {
	case known && (program == "life" || program == "test"):
		return
	case strings.Contains(text, "watch_") || strings.Contains(text, "TRIGGER delay"):
		return // the test's own
	case !known:
		program = fmt.Sprintf("connection %d", connection)
	}
	r.entries = append(r.entries, entry{program: program, what: entryWork, detail: text})
}
