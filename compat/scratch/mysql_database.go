package scratch

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

func (mysql) createDatabase(ctx context.Context, s *Server, name string) error {
	_, err := s.admin.ExecContext(ctx, "CREATE DATABASE `"+name+"`")
	return err
}

// dropDatabase ends the connections first: DROP DATABASE waits for every metadata lock on the database's tables.
func (p mysql) dropDatabase(ctx context.Context, d *Database) error {
	conn, err := d.server.admin.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := kill(ctx, conn, `SELECT id FROM information_schema.processlist WHERE db = ?`, d.Name); err != nil {
		return err
	}
	err = p.drop(ctx, conn, d, time.Second)
	if !isLockTimeout(err) {
		return err
	}
	// Somebody who is connected to another database holds a table of this one.
	if err := kill(ctx, conn, `SELECT t.processlist_id FROM performance_schema.metadata_locks l
		JOIN performance_schema.threads t ON t.thread_id = l.owner_thread_id
		WHERE l.object_schema = ? AND t.processlist_id IS NOT NULL AND t.processlist_id <> CONNECTION_ID()`, d.Name); err != nil {
		return err
	}
	return p.drop(ctx, conn, d, 20*time.Second)
}

func (mysql) drop(ctx context.Context, conn *sql.Conn, d *Database, wait time.Duration) error {
	if _, err := conn.ExecContext(ctx, fmt.Sprint("SET SESSION lock_wait_timeout = ", int(wait.Seconds()))); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, "DROP DATABASE IF EXISTS `"+d.Name+"`")
	return err
}

// kill ends the connections whose ids the query returns.
func kill(ctx context.Context, conn *sql.Conn, query, database string) error {
	rows, err := conn.QueryContext(ctx, query, database)
	if err != nil {
		return err
	}
	defer rows.Close()
	var ids []uint64
	for rows.Next() {
		var id uint64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := conn.ExecContext(ctx, fmt.Sprint("KILL ", id)); err != nil && !isNumber(err, 1094) { // it has ended by itself
			return err
		}
	}
	return nil
}

func isLockTimeout(err error) bool { return isNumber(err, 1205) }

func isNumber(err error, n uint16) bool {
	var e *driver.MySQLError
	return errors.As(err, &e) && e.Number == n
}
