package scratch

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// parseDSN reads a connection string in either of libpq's forms and returns it as a URL.
// Errors never show the string: it may hold a password.
func parseDSN(dsn string) (*url.URL, error) {
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		u, err := url.Parse(dsn)
		if err != nil {
			return nil, errors.New("not a URL")
		}
		return u, nil
	}
	values, err := parseKeywords(dsn)
	if err != nil {
		return nil, err
	}
	u := &url.URL{Scheme: "postgres", Path: "/" + values["dbname"]}
	delete(values, "dbname")
	query := url.Values{}
	for k, v := range values {
		query.Set(k, v) // host, port, user and password are also understood as parameters
	}
	u.RawQuery = encode(query)
	return u, nil
}

// parseKeywords reads "host=localhost user='a b'": spaces may stand around =, a value may be in single quotes, a
// backslash takes the next character as it is.
func parseKeywords(s string) (map[string]string, error) {
	values := map[string]string{}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		key, rest, ok := strings.Cut(s, "=")
		key, rest = strings.TrimSpace(key), strings.TrimLeft(rest, " \t\r\n")
		if !ok || key == "" || strings.ContainsAny(key, " \t\r\n'\\") {
			return nil, errors.New("neither a postgres:// URL nor keyword=value pairs")
		}
		quoted := strings.HasPrefix(rest, "'")
		if quoted {
			rest = rest[1:]
		}
		var value strings.Builder
		i, closed := 0, false
		for ; i < len(rest) && !closed; i++ {
			switch c := rest[i]; {
			case c == '\\' && i+1 < len(rest):
				i++
				value.WriteByte(rest[i])
			case quoted && c == '\'', !quoted && strings.IndexByte(" \t\r\n", c) >= 0:
				closed = true
			default:
				value.WriteByte(c)
			}
		}
		if quoted && !closed {
			return nil, fmt.Errorf("value of %s has no closing quote", key)
		}
		values[key] = value.String()
		s = rest[i:]
	}
	return values, nil
}

// withDatabase is the URL of another database on the same server.
func withDatabase(u *url.URL, name string) string {
	c := *u
	c.Path, c.RawPath = "/"+name, ""
	if query := c.Query(); query.Has("dbname") || query.Has("database") {
		query.Del("dbname")
		query.Del("database")
		c.RawQuery = encode(query)
	}
	return c.String()
}

// encode writes spaces as %20: a plus sign stands for itself in a libpq URL.
func encode(query url.Values) string { return strings.ReplaceAll(query.Encode(), "+", "%20") }

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func literal(s string) string { // standard_conforming_strings is on since PostgreSQL 9.1
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
