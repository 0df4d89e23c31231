// Package mysql is the engine for MySQL (from 8.4 on) and MariaDB (from 10.11 on).
//
// Their DDL commits by itself, so nothing here rests on a transaction around it: each
// step is one statement, asks the catalog first whether it is already true, and runs
// on a session that holds a named lock, by which a takeover finds and ends it. A
// sync is a pair of BEFORE triggers, replaced by creating the new pair before the old
// one is dropped.
//
// Names are left unqualified: the connection's current database decides, so that a
// committed plan runs in any database.
package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/engine"
)

// Engine is the engine over a pool. It keeps no state of its own.
type Engine struct {
	db      *sql.DB
	log     *slog.Logger
	dialect plan.Dialect
}

// New returns the engine over db for a server of that dialect. log may be nil.
func New(db *sql.DB, dialect plan.Dialect, log *slog.Logger) *Engine {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Engine{db: db, log: log, dialect: dialect}
}

// Dialect is plan.DialectMySQL or plan.DialectMariaDB.
func (e *Engine) Dialect() plan.Dialect { return e.dialect }

func (e *Engine) mariadb() bool { return e.dialect == plan.DialectMariaDB }

// DialectOf tells the two apart by what VERSION() says.
func DialectOf(version string) plan.Dialect {
	if strings.Contains(strings.ToLower(version), "mariadb") {
		return plan.DialectMariaDB
	}
	return plan.DialectMySQL
}

// The oldest servers that are supported. Both have INSTANT DROP COLUMN, invisible
// columns and several triggers for one event.
const (
	minMySQL   = 80400  // 8.4.0
	minMariaDB = 101100 // 10.11.0
)

// serverColumns is what Server reads, for queries that read more beside it.
const serverColumns = `VERSION(), COALESCE(DATABASE(), ''), CURRENT_USER(), @@GLOBAL.read_only, @@GLOBAL.innodb_read_only`

// Server describes the server and the connected account. Version counts as 101119
// for 10.11.19 and 90704 for 9.7.4.
func (e *Engine) Server(ctx context.Context) (*engine.Server, error) {
	var row serverRow
	if err := e.db.QueryRowContext(ctx, "SELECT "+serverColumns).Scan(row.into()...); err != nil {
		return nil, fmt.Errorf("ask the server for its version: %w", err)
	}
	s := row.server()
	return s, e.checkServer(s)
}

// serverRow is what serverColumns gives.
type serverRow struct {
	version, database, user string
	readOnly, innodb        sql.NullString
}

func (r *serverRow) into() []any {
	return []any{&r.version, &r.database, &r.user, &r.readOnly, &r.innodb}
}

func (r *serverRow) server() *engine.Server {
	s := &engine.Server{Version: versionNumber(r.version), Database: r.database, Role: r.user, Name: "MySQL " + plainVersion(r.version)}
	if DialectOf(r.version) == plan.DialectMariaDB {
		s.Name = "MariaDB " + plainVersion(r.version)
	}
	switch {
	case isOn(r.innodb.String):
		s.NoWrites = "it runs with innodb_read_only"
	case isOn(r.readOnly.String):
		s.NoWrites = "it is read-only (read_only), as a replica is"
	}
	return s
}

// isOn reads a switch: MariaDB 12 has words where others have numbers.
func isOn(v string) bool {
	switch strings.ToUpper(v) {
	case "", "0", "OFF", "FALSE":
		return false
	}
	return true
}

// plainVersion cuts "10.11.19-MariaDB-0+deb12u1-log" to "10.11.19".
func plainVersion(v string) string {
	v = strings.TrimPrefix(v, "5.5.5-") // what MariaDB says to old replicas
	if i := strings.IndexFunc(v, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }); i >= 0 {
		v = v[:i]
	}
	return v
}

func versionNumber(v string) int {
	n := 0
	for i, part := range append(strings.Split(plainVersion(v), "."), "0", "0") {
		x, err := strconv.Atoi(part)
		if err != nil || i == 3 {
			break
		}
		n = n*100 + x
	}
	return n
}

func (e *Engine) checkServer(s *engine.Server) error {
	switch {
	case e.mariadb() && s.Version < minMariaDB:
		return fmt.Errorf("%s is not supported: MariaDB 10.11 or later is needed", s.Name)
	case !e.mariadb() && s.Version < minMySQL:
		return fmt.Errorf("%s is not supported: MySQL 8.4 or later is needed", s.Name)
	case s.Database == "":
		return fmt.Errorf("the connection has no current database: name one in the DSN, user@tcp(host:3306)/DATABASE")
	}
	return nil
}
