package pgquery

import (
	"errors"
	"strings"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v5"
	"github.com/pganalyze/pg_query_go/v5/parser"
)

// Statement is one statement of a text.
type Statement struct {
	Index int // from 1; empty statements do not count
	Line  int // of the first token, from 1
	Start int // of the first token, in bytes
	End   int // behind the last token, in bytes; the semicolon is not part of it
	SQL   string

	Kind     string    // in SQL's words: "CREATE FUNCTION"
	Node     Node      // nil for kinds that have no type here
	Problem  string    // why Node is nil although there is a type
	Relation *Relation // the one table or view that the statement is about, if there is one
	Bar      Bar       // what keeps it from running within somebody else's transaction
	Names    []Ident   // every name in it, in order
}

// Error is SQL that cannot be read.
type Error struct {
	Line      int // from 1
	Statement int // from 1
	Message   string
}

func (e *Error) Error() string { return e.Message }

// Parse reads a text of any number of statements. The text is valid UTF-8
// without NUL bytes; a byte order mark at its start is skipped. The error is an
// [*Error].
func Parse(sql string) ([]Statement, error) {
	if rest, ok := strings.CutPrefix(sql, "\ufeff"); ok {
		sql = "   " + rest // the same offsets, and white space to the grammar
	}
	tokens, err := scan(sql)
	if err != nil {
		return nil, err
	}
	if err := checkNesting(sql, tokens); err != nil {
		return nil, err
	}
	tree, err := pg.Parse(sql)
	if err != nil {
		return nil, positioned(sql, tokens, err)
	}
	out := make([]Statement, 0, len(tree.Stmts))
	for _, raw := range tree.Stmts {
		start, end := int(raw.StmtLocation), len(sql)
		if raw.StmtLen > 0 {
			end = start + int(raw.StmtLen)
		}
		var own []token
		own, tokens = cutTokens(tokens, end)
		if len(own) == 0 {
			return nil, &Error{Line: lineAt(sql, start), Statement: len(out) + 1, Message: "the parser saw a statement without a word"}
		}
		s := Statement{
			Index: len(out) + 1,
			Start: own[0].start,
			End:   own[len(own)-1].end,
			Line:  lineAt(sql, own[0].start),
			Names: idents(sql, own),
			Kind:  kindOf(raw.Stmt),
			Bar:   barOf(raw.Stmt),
		}
		s.SQL = sql[s.Start:s.End]
		if rel := relationOf(raw.Stmt); rel != nil {
			s.Relation = translateRelation(rel)
		}
		if s.Node, err = translate(raw.Stmt); err != nil {
			s.Node, s.Problem = nil, err.Error()
		}
		out = append(out, s)
	}
	return out, nil
}

// CheckExpression reports what keeps a text from being one expression.
func CheckExpression(expr string) error {
	// Without parentheses a list is two columns, in them a FROM or an alias is an
	// error: only one expression is the same in both.
	for _, sql := range []string{"SELECT " + expr, "SELECT (" + expr + "\n)"} {
		stmts, err := Parse(sql)
		if err != nil {
			return err
		}
		if len(stmts) != 1 || !selectsOne(stmts[0].Node) {
			return errors.New("it is not one expression")
		}
	}
	return nil
}

func selectsOne(n Node) bool {
	s, ok := n.(*Select)
	return ok && s.Columns == 1
}

// positioned turns an error of the parser into one with line and statement.
func positioned(sql string, tokens []token, err error) *Error {
	at, message := cursor(sql, err)
	if at >= len(sql) && len(tokens) > 0 {
		at = tokens[len(tokens)-1].start // the end of input: name the last line with something on it
	}
	return &Error{Line: lineAt(sql, at), Statement: statementAt(tokens, at), Message: message}
}

// cursor is the offset in bytes at which the parser stopped, and what it says. It
// counts characters from 1.
func cursor(sql string, err error) (offset int, message string) {
	var perr *parser.Error
	if !errors.As(err, &perr) {
		return 0, err.Error()
	}
	return byteOffset(sql, perr.Cursorpos), perr.Message
}

// byteOffset is where the n-th character begins, from 1.
func byteOffset(s string, n int) int {
	at := 0
	for ; n > 1 && at < len(s); n-- {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}

func lineAt(s string, offset int) int { return 1 + strings.Count(s[:offset], "\n") }
