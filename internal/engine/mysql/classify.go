package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// guardError is what a gate that was asked again inside a step said.
type guardError struct{ detail string }

func (e *guardError) Error() string { return "phased: " + e.detail }

// number returns the server's error number, or 0.
func number(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// The server's error numbers that something here depends on (manual: server error message reference).
const (
	errAccessDenied     = 1044
	errTableExists      = 1050
	errUnknownColumn    = 1054
	errDuplicateColumn  = 1060
	errDuplicateKeyName = 1061
	errDuplicateEntry   = 1062
	errCantDrop         = 1091
	errTableAccess      = 1142
	errColumnAccess     = 1143
	errUnknownTable     = 1146
	errLockWait         = 1205
	errDeadlock         = 1213
	errQueryInterrupted = 1317
	errTriggerExists    = 1359
	errNoTrigger        = 1360
	errSpecificAccess   = 1227
	errSignal           = 1644
	errBinlogUnsafe     = 1419
	errNotSupported     = 1845 // ALGORITHM or LOCK is not supported for this operation
	errNotSupportedWhy  = 1846 // the same with the reason
	errUnknownAlgorithm = 1800
	errLockClause       = 1221 // INSTANT takes no LOCK clause
	errUnknownVariable  = 1193
	errRowVersions      = 4092 // no more row versions: the table must be rebuilt
)

// LockTimeout reports that the statement gave up waiting for a lock.
func (e *Engine) LockTimeout(err error) bool {
	switch number(err) {
	case errLockWait, 3572: // statement aborted because lock(s) could not be acquired immediately (NOWAIT)
		return true
	}
	return false
}

// Retryable reports errors after which nothing was changed and another try may go through.
func (e *Engine) Retryable(err error) bool {
	var busy *busyError
	if errors.As(err, &busy) {
		return true
	}
	switch number(err) {
	case errLockWait, errDeadlock,
		1020,       // record has changed since last read (MariaDB, innodb_snapshot_isolation)
		1040,       // too many connections
		1203,       // user has too many connections
		1206,       // the lock table is full
		1969, 3024, // statement time limit
		1180, // error during commit
		1412, // table definition has changed, please retry transaction
		1615, // prepared statement needs to be re-prepared
		3572:
		return true
	}
	return false
}

// Disconnected reports a broken connection: what was sent may have been done.
func (e *Engine) Disconnected(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	switch number(err) {
	case 0:
	case 1053, // server shutdown in progress
		1077, 1079, 1080, 1152, 1153, 1158, 1159, 1160, 1161, 1184, // network, aborted connection
		1927,             // connection was killed
		1317,             // query execution was interrupted
		3032, 3058, 3169, // session or server was killed
		4031: // disconnected by the server because of inactivity
		return true
	default:
		return false
	}
	var op *net.OpError
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &op) || strings.Contains(err.Error(), "bad connection") || strings.Contains(err.Error(), "connection refused")
}

// GuardRefused reports what a gate that was asked again inside a step said.
func (e *Engine) GuardRefused(err error) (string, bool) {
	var g *guardError
	if errors.As(err, &g) {
		return g.detail, true
	}
	return "", false
}

// RowError reports that the row's own content is at fault: a value that does not
// fit, a constraint, or a SIGNAL of a trigger.
func (e *Engine) RowError(err error) bool {
	switch number(err) {
	case 1048, errDuplicateEntry, 1136, 1169, 1216, 1217, 1242, 1264, 1265, 1292, 1300, 1364, 1365, 1366, 1367, 1406, 1411, 1416,
		1441, 1451, 1452, 1526, 1557, 1586, errSignal, 1690, 1748, 3140, 3141, 3156, 3157, 3158, 3685, 3819, 3903, 4025, 4038, 4078, 4079:
		return true
	}
	var m *mysql.MySQLError
	if !errors.As(err, &m) {
		return false
	}
	switch string(m.SQLState[:2]) {
	case "22", "23", "44", "45": // data exception, integrity constraint, check option, SIGNAL
		return true
	}
	return false
}

// missing reports that a table of ours is not there.
func missing(err error) bool { return number(err) == errUnknownTable }

// mayNot reports a missing privilege.
func mayNot(err error) bool {
	switch number(err) {
	case errAccessDenied, 1045, 1095, errTableAccess, errColumnAccess, errSpecificAccess, 1370:
		return true
	}
	return false
}

// message is what the server said, without the driver's dressing.
func message(err error) string {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}
