package lockcheck

import "fmt"

// LockMode is a table lock mode, weakest first, so that modes compare with <.
// The values are PostgreSQL's eight modes (manual, section 13.3.1) and the one of
// MySQL and MariaDB that stops anybody; LockNone is the zero value and means that no
// lock on a table in use is taken.
type LockMode int

// The table lock modes. Writes wait behind Share and stronger, reads wait behind
// AccessExclusive and MetadataExclusive only.
const (
	LockNone LockMode = iota
	LockAccessShare
	LockRowShare
	LockRowExclusive
	LockShareUpdateExclusive
	LockShare
	LockShareRowExclusive
	LockExclusive
	LockAccessExclusive
	// LockMetadataExclusive is MySQL's and MariaDB's exclusive metadata lock, which DDL
	// takes for a moment, an online ALTER at its begin and at its end.
	LockMetadataExclusive
)

var lockNames = [...]string{
	LockNone:                 "None",
	LockAccessShare:          "AccessShare",
	LockRowShare:             "RowShare",
	LockRowExclusive:         "RowExclusive",
	LockShareUpdateExclusive: "ShareUpdateExclusive",
	LockShare:                "Share",
	LockShareRowExclusive:    "ShareRowExclusive",
	LockExclusive:            "Exclusive",
	LockAccessExclusive:      "AccessExclusive",
	LockMetadataExclusive:    "MetadataExclusive",
}

// String returns the mode's name as pg_locks shows it, without the "Lock" at its end.
func (m LockMode) String() string {
	if m < 0 || int(m) >= len(lockNames) {
		return fmt.Sprintf("LockMode(%d)", int(m))
	}
	return lockNames[m]
}

// BlocksReads reports whether an ordinary SELECT waits behind m.
func (m LockMode) BlocksReads() bool { return m >= LockAccessExclusive }

// BlocksWrites reports whether INSERT, UPDATE and DELETE wait behind m.
func (m LockMode) BlocksWrites() bool { return m >= LockShare }

// ParseLockMode is the inverse of String; it also reads the form of pg_locks ("ShareLock").
func ParseLockMode(s string) (LockMode, error) {
	for m, name := range lockNames {
		if s == name || s == name+"Lock" {
			return LockMode(m), nil
		}
	}
	return LockNone, fmt.Errorf("lock mode %q is not known", s)
}

// MarshalText writes the mode's name.
func (m LockMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (m *LockMode) UnmarshalText(b []byte) error {
	v, err := ParseLockMode(string(b))
	if err == nil {
		*m = v
	}
	return err
}
