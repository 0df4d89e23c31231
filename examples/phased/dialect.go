package main

import (
	"context"
	"database/sql"
	"regexp"
	"strings"

	driver "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/expand/mysql"
	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/expand/postgres"
)

// products are the names that people know the dialects by.
var products = map[plan.Dialect]string{
	plan.DialectPostgres: "PostgreSQL",
	plan.DialectMySQL:    "MySQL",
	plan.DialectMariaDB:  "MariaDB",
}

// dialect reads -dialect; without it, the DSN tells.
func dialect(name, dsn string) (plan.Dialect, error) {
	told := dialectOf(dsn)
	d := plan.Dialect(name)
	switch {
	case name == "":
		return told, nil
	case products[d] == "":
		return "", badUsage("-dialect %s: it is postgres, mysql or mariadb", name)
	case strings.Contains(dsn, "://") && (d == plan.DialectPostgres) != (told == plan.DialectPostgres):
		return "", badUsage("-dialect %s, but the DSN is one of %s", name, products[told])
	}
	return d, nil
}

// ofMySQL is the form that github.com/go-sql-driver/mysql reads: user:password@tcp(host:3306)/name.
var (
	ofMySQL   = regexp.MustCompile(`^(?:.*@)?(?:[a-zA-Z0-9]+(?:\([^)]*\))?)?/[^/]*$`)
	ofKeyword = regexp.MustCompile(`^\s*[a-z_]+\s*=`)
)

// dialectOf tells by the form of a DSN what it leads to.
func dialectOf(dsn string) plan.Dialect {
	scheme, _, isURL := strings.Cut(dsn, "://")
	switch {
	case isURL && strings.EqualFold(scheme, "mariadb"):
		return plan.DialectMariaDB
	case isURL && strings.EqualFold(scheme, "mysql"), !isURL && !ofKeyword.MatchString(dsn) && ofMySQL.MatchString(dsn):
		return plan.DialectMySQL
	}
	return plan.DialectPostgres
}

// parserOf returns what reads the files of a dialect.
func parserOf(d plan.Dialect) plan.Parser {
	if d == plan.DialectPostgres {
		return postgres.Parser()
	}
	return mysql.Parser()
}

// speaks is the dialect of an open database, as far as it decides on the parser.
func speaks(db *sql.DB) plan.Dialect {
	if _, ok := db.Driver().(*driver.MySQLDriver); ok {
		return plan.DialectMySQL
	}
	return plan.DialectPostgres
}

// server asks what a database runs on: its name and its version, "15" or "10.11.8".
func server(ctx context.Context, db *sql.DB) (name, version string, err error) {
	if speaks(db) == plan.DialectPostgres {
		err = db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int / 10000`).Scan(&version)
		return products[plan.DialectPostgres], version, err
	}
	err = db.QueryRowContext(ctx, `SELECT VERSION()`).Scan(&version)
	name = products[plan.DialectMySQL]
	if strings.Contains(version, "MariaDB") {
		name = products[plan.DialectMariaDB]
	}
	version, _, _ = strings.Cut(version, "-")
	return name, version, err
}
