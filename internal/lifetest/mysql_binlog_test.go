package lifetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of events in a binary log (the manual of MySQL's source calls them Log_event_type).
const (
	eventQuery     = 2
	eventTableMap  = 19
	eventWriteRows = 23 // MariaDB
	eventWriteRow2 = 30 // MySQL: with a block of extra data
)

const eventHeader = 19 // bytes

var errTorn = errors.New("an event is shorter than it says")

// readBinaryLog gives the rows that were inserted into a table of a database, which has
// the columns (bigint, varbinary of more than 255 bytes), and the statements that are
// written as text, in the order of their commits. Checksums (4 bytes) are on by default.
func readBinaryLog(log []byte, database, table string, row func(string) error, statement func(connection uint32, text string)) error {
	if !bytes.HasPrefix(log, []byte("\xfebin")) {
		return errors.New("this is no binary log")
	}
	var wanted []byte // the id of the table, 6 bytes
	for log = log[4:]; len(log) >= eventHeader; {
		size := int(binary.LittleEndian.Uint32(log[9:]))
		if size < eventHeader+4 {
			return errTorn
		}
		if size > len(log) {
			return nil // the server crashed while it wrote this
		}
		kind, body := log[4], log[eventHeader:size-4]
		log = log[size:]
		var err error
		switch kind {
		case eventQuery:
			err = readQuery(body, database, statement)
		case eventTableMap:
			var names []byte
			if len(body) < 8 {
				return errTorn
			}
			names = body[8:]
			if bytes.HasPrefix(names, fmt.Appendf(nil, "%c%s\x00%c%s\x00", len(database), database, len(table), table)) {
				wanted = body[:6]
			} else if bytes.Equal(wanted, body[:6]) {
				wanted = nil
			}
		case eventWriteRows, eventWriteRow2:
			if wanted != nil && bytes.HasPrefix(body, wanted) {
				err = readRows(body[8:], kind == eventWriteRow2, row)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func readQuery(body []byte, database string, statement func(uint32, string)) error {
	if len(body) < 13 {
		return errTorn
	}
	connection := binary.LittleEndian.Uint32(body)
	name, status := int(body[8]), int(binary.LittleEndian.Uint16(body[11:]))
	if body = body[13:]; len(body) < status+name+1 {
		return errTorn
	}
	if body = body[status:]; string(body[:name]) == database {
		statement(connection, string(body[name+1:]))
	}
	return nil
}

// readRows reads rows of two columns that are not null.
func readRows(body []byte, extra bool, row func(string) error) error {
	if extra {
		if len(body) < 2 || len(body) < int(binary.LittleEndian.Uint16(body)) {
			return errTorn
		}
		body = body[binary.LittleEndian.Uint16(body):]
	}
	if len(body) < 2 || body[0] != 2 {
		return errors.New("rows of the journal do not have two columns")
	}
	for body = body[2:]; len(body) > 0; { // the number of columns, and which of them are there
		if len(body) < 11 {
			return errTorn
		}
		size := int(binary.LittleEndian.Uint16(body[9:])) // behind the null bits and the id
		if body = body[11:]; len(body) < size {
			return errTorn
		}
		if err := row(string(body[:size])); err != nil {
			return err
		}
		body = body[size:]
	}
	return nil
}
