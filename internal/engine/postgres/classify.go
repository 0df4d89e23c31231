package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
)

// Our own error conditions, raised by what runs inside the server. The class
// "PH" is used by nobody else.
const (
	codeLease      = "PH001" // the token is not the lease's
	codeContracted = "PH002" // an instance lacks a contract line
	codeGuard      = "PH003" // a gate said no
	codeRefusedNew = "PH004" // new code wrote what old code could not read
	codeAlready    = "PH005" // what a step does is already true, or recorded as done
)

// sqlState is what every PostgreSQL driver's error offers (pgconn.PgError, lib/pq).
type sqlState interface{ SQLState() string }

// code returns err's SQLSTATE, or "".
func code(err error) string {
	var s sqlState
	if errors.As(err, &s) {
		return s.SQLState()
	}
	return ""
}

// detail returns the DETAIL of a server's error where the driver shows it, else its text.
func detail(err error) string {
	text := err.Error()
	if i := strings.Index(text, "phased: "); i >= 0 {
		text = text[i+len("phased: "):]
	}
	if i := strings.LastIndex(text, " (SQLSTATE "); i >= 0 {
		text = text[:i]
	}
	return text
}

// LockTimeout reports lock_not_available.
func (e *Engine) LockTimeout(err error) bool { return code(err) == "55P03" }

// Retryable reports errors after which nothing was changed and another try may go through.
func (e *Engine) Retryable(err error) bool {
	switch code(err) {
	case "55P03", // lock_not_available
		"40001", // serialization_failure
		"40P01", // deadlock_detected
		"53300", // too_many_connections
		"57014", // query_canceled: statement_timeout
		"57P03", // cannot_connect_now
		"25P03", // idle_in_transaction_session_timeout
		"55006": // object_in_use
		return true
	}
	return false
}

// Disconnected reports a broken connection: what was sent may have been done.
func (e *Engine) Disconnected(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	switch c := code(err); {
	case c == "57P01", c == "57P02", c == "57P05", strings.HasPrefix(c, "08"): // shutdown, crash, idle session, connection exception
		return true
	case c != "":
		return false
	}
	var op *net.OpError
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) ||
		strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "unexpected EOF")
}

// GuardRefused reports what a gate that was asked again inside a step said.
func (e *Engine) GuardRefused(err error) (string, bool) {
	if code(err) != codeGuard {
		return "", false
	}
	return detail(err), true
}

// RowError reports that a row's own content is at fault: a data exception, an
// integrity violation, or an error raised by a function or trigger.
func (e *Engine) RowError(err error) bool {
	c := code(err)
	return strings.HasPrefix(c, "22") || strings.HasPrefix(c, "23") || strings.HasPrefix(c, "P0") || strings.HasPrefix(c, "38") ||
		c == "44000" || c == codeRefusedNew
}
