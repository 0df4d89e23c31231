package mysql

import (
	"fmt"
	"strings"
	"time"
)

// utcTimestamp writes a TIMESTAMP literal of a session in UTC as an instant that every
// session understands alike.
func utcTimestamp(text string) (string, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	t, err := time.Parse(time.DateTime, whole)
	if err != nil || t.Unix() <= 0 {
		return "", false
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return fmt.Sprintf("FROM_UNIXTIME(%d%s)", t.Unix(), fraction), true
}
