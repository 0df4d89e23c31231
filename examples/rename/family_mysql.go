package main

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/expand/plan"
)

// onMySQL is MySQL or MariaDB. They differ in how an upsert names the new row.
func onMySQL(d plan.Dialect) *family {
	f := &family{
		name:    "MySQL",
		dialect: d,
		release: func(version int) string { return fmt.Sprintf("%d.%d", version/10000, version/100%100) },
		open:    openMySQL,
		texts: statements{
			insert:      `INSERT INTO users (id, COLUMN, name, n) VALUES (?, ?, ?, 0)`,
			updateEmail: `UPDATE users SET COLUMN = ?, updated_at = now(6) WHERE id = ?`,
			updateName:  `UPDATE users SET name = ?, n = n + 1, updated_at = now(6) WHERE id = ?`,
			upsert: `INSERT INTO users (id, COLUMN, name, n) VALUES (?, ?, ?, 0) AS new
				ON DUPLICATE KEY UPDATE COLUMN = new.COLUMN, n = users.n + 1, updated_at = now(6)`,
			remove: `DELETE FROM users WHERE id = ?`,
			read:   `SELECT COLUMN, name, n FROM users WHERE id = ?`,
		},
		fill: `INSERT INTO users (id, email, name)
			WITH d AS (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9),
				numbers AS (SELECT CAST(? AS SIGNED) + 10000 * a.n + 1000 * b.n + 100 * c.n + 10 * e.n + f.n AS i FROM d a, d b, d c, d e, d f)
			SELECT i, CONCAT('user', i, '@example.com'), CONCAT('User ', i) FROM numbers WHERE i <= ? ORDER BY i`,
		settle:   `ANALYZE TABLE users`,
		refused:  func(err error) bool { return number(err) != 0 },
		noColumn: func(err error) bool { return number(err) == 1054 },
	}
	if d == plan.DialectMariaDB {
		f.name = "MariaDB"
		f.texts.upsert = `INSERT INTO users (id, COLUMN, name, n) VALUES (?, ?, ?, 0)
			ON DUPLICATE KEY UPDATE COLUMN = VALUES(COLUMN), n = n + 1, updated_at = now(6)`
	}
	return f
}

func openMySQL(dsn, program string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.ConnectionAttributes = "program_name:" + program
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// number is the server's error number, 0 for an error that is not the server's.
func number(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}
