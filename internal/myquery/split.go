package myquery

import (
	"slices"
	"strings"

	"github.com/phasedb/phased/internal/sqltext"
)

// Split cuts a text into its statements. It needs no grammar, so it also splits what
// none here can read. The text is valid UTF-8; the error is an [*Error].
func Split(sql string) ([]Statement, error) {
	text := sqltext.MySQL(sql)
	switch {
	case text.Problem != nil:
		return nil, &Error{Line: text.Problem.Line, Statement: 1, Message: text.Problem.What, Way: text.Problem.Way}
	case text.Open != "":
		return nil, &Error{Line: text.OpenLine, Statement: 1, Message: text.Open + " begins here and does not end", Way: "close it"}
	}
	var out []Statement
	for rest := text.Tokens; len(rest) > 0; {
		c := &cursor{sql: sql, toks: rest}
		if c.take(";") {
			rest = rest[1:]
			continue
		}
		if err := refuseStart(c, len(out)+1); err != nil {
			return nil, err
		}
		n, open := statementEnd(c)
		if open >= 0 {
			return nil, &Error{Line: rest[open].Line, Statement: len(out) + 1, Way: "close it, or quote the name in backticks if it is one",
				Message: c.upper(open) + " begins here and no END ends it"}
		}
		out = append(out, newStatement(sql, rest[:n], len(out)+1))
		rest = rest[n:]
	}
	return out, nil
}

// refuseStart refuses what can begin no statement.
func refuseStart(c *cursor, index int) *Error {
	e := &Error{Line: c.toks[0].Line, Statement: index}
	switch word := c.upper(0); word {
	case "DELIMITER":
		e.Message = "DELIMITER is a command of the mysql client, not SQL"
		e.Way = "leave it away: a semicolon within BEGIN … END ends no statement"
	case "END", "ELSE", "ELSEIF", "WHEN", "UNTIL":
		e.Message = word + " begins a statement"
		e.Way = "write BEGIN … END around a body of several statements"
	case `\`:
		e.Message = c.slice(0, min(2, len(c.toks))) + " is a command of the mysql client, not SQL"
		e.Way = "leave it away"
	default:
		return nil
	}
	return e
}

// statementEnd counts the tokens up to the semicolon that ends the statement. Open is
// the block that does not end, else -1.
func statementEnd(c *cursor) (n, open int) {
	if !compound(c) {
		for n = range c.toks {
			if c.upper(n) == ";" {
				return n, -1
			}
		}
		return len(c.toks), -1
	}
	var blocks []block
	for i := range c.toks {
		expression := len(blocks) > 0 && blocks[len(blocks)-1].expression
		switch word := c.upper(i); {
		case word == ";" && len(blocks) == 0:
			return i, -1
		case opens(c, i, expression):
			blocks = append(blocks, block{word, i, word == "CASE" && (expression || !slices.Contains(beforeStatement, c.upper(i-1)))})
		case word == "END" && len(blocks) > 0 && closes(c, i, blocks[len(blocks)-1].word):
			blocks = blocks[:len(blocks)-1]
		}
	}
	if len(blocks) > 0 {
		return 0, blocks[0].at
	}
	return len(c.toks), -1
}

// block is BEGIN … END and its like.
type block struct {
	word       string
	at         int
	expression bool // CASE … END with values in it, not statements
}

// compound reports whether a statement may hold others.
func compound(c *cursor) bool {
	switch kind, _ := head(c.sql, c.toks); kind {
	case "CREATE PROCEDURE", "CREATE FUNCTION", "CREATE TRIGGER", "CREATE EVENT", "ALTER EVENT", "CREATE PACKAGE", "BEGIN NOT ATOMIC":
		return true
	}
	return false
}

// The words that open a block, each ended by an END.
var blockWords = []string{"BEGIN", "CASE", "IF", "LOOP", "REPEAT", "WHILE", "FOR"}

// What a statement within a body stands behind: another one, or the head of the body.
var beforeStatement = []string{";", "THEN", "ELSE", "DO", "LOOP", "REPEAT", "BEGIN", ":",
	"ROW", ")", "DETERMINISTIC", "SQL", "DATA", "DEFINER", "INVOKER"}

// opens reports whether a token opens a block. Most of the words are names of
// functions or of columns elsewhere: IF(a, b, c), REPEAT('x', 3), NEW.begin.
func opens(c *cursor, i int, expression bool) bool {
	word, before := c.upper(i), c.upper(i-1)
	inBody := slices.Contains(beforeStatement, before)
	switch {
	case word == "CASE":
		return before != "END" && before != "."
	case expression || !slices.Contains(blockWords, word):
		return false
	case word == "FOR":
		return inBody && c.upper(i+2) == "IN" // not FOR UPDATE, HANDLER FOR, FOR EACH ROW
	case word == "IF":
		return inBody && c.before(i, "THEN", ";")
	case word == "BEGIN" && !inBody:
		// A body may begin behind a name or a string: FOLLOWS t BEGIN, COMMENT 'x' BEGIN.
		return i == 0 || c.toks[i-1].Kind != sqltext.Symbol && !strings.Contains("(=.,", c.upper(i+1))
	}
	return inBody
}

// before reports whether one word follows sooner than another.
func (c *cursor) before(i int, word, than string) bool {
	for ; i < len(c.toks) && c.upper(i) != than; i++ {
		if c.upper(i) == word {
			return true
		}
	}
	return false
}

// closes reports whether an END ends the innermost block, and is no name.
func closes(c *cursor, i int, block string) bool {
	next := c.upper(i + 1)
	switch {
	case c.upper(i-1) == ".":
		return false
	case block == "CASE", next == "", next == ";":
		return true
	case slices.Contains(blockWords, next):
		return next == block
	}
	return block == "BEGIN" && (c.upper(i+2) == ";" || i+2 >= len(c.toks)) // END label;
}
