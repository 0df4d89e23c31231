package myquery

import (
	"unicode/utf8"

	"github.com/phasedb/phased/internal/sqltext"
)

// Statement is one statement of a text.
type Statement struct {
	Index int // from 1; empty statements do not count
	Line  int // of the first word, from 1
	Start int // of the first word, in bytes
	End   int // behind the last word, in bytes; the semicolon is not part of it
	SQL   string

	Kind     string    // by its first words: "CREATE FUNCTION"; empty: not known
	Bar      Bar       // what keeps it from being a step
	Relation *Relation // the one table or view that the statement is about, where its first words tell
	// Code is a comment in it that is code to some servers: "/*!80016"; empty: there is none.
	Code     string
	CodeLine int
	Names    []Ident // every name in it, in order

	sql  string // the whole text
	toks []sqltext.Token
	head int // tokens that name the kind
}

// Ident is a name or a keyword as it stands in the text.
type Ident struct {
	Name string // without quotes
	Line int    // from 1
}

// Error is SQL that cannot be read.
type Error struct {
	Line      int // from 1
	Statement int // from 1
	Message   string
	Way       string // out of it; may be empty
}

func (e *Error) Error() string { return e.Message }

func newStatement(sql string, toks []sqltext.Token, index int) Statement {
	s := Statement{
		Index: index,
		Line:  toks[0].Line,
		Start: toks[0].Start,
		End:   toks[len(toks)-1].End,
		sql:   sql,
		toks:  toks,
	}
	s.SQL = sql[s.Start:s.End]
	s.Kind, s.head = head(sql, toks)
	for _, t := range toks {
		if t.Kind == sqltext.ExecBegin && s.Code == "" {
			s.Code, s.CodeLine = sql[t.Start:t.End], t.Line
		}
		if name, ok := nameOf(sql, t); ok {
			s.Names = append(s.Names, Ident{name, t.Line})
		}
	}
	s.Bar = barOf(s)
	s.Relation = relationOf(s)
	return s
}

// rest is a cursor behind the words of the kind.
func (s Statement) rest() *cursor { return &cursor{sql: s.sql, toks: s.toks, at: s.head} }

// Chars is the length of a name in characters, as the server counts.
func (id Ident) Chars() int { return utf8.RuneCountInString(id.Name) }

// Wide reports whether a name holds a character beyond the ones that names may hold,
// U+0001 to U+FFFF.
func (id Ident) Wide() bool {
	for _, r := range id.Name {
		if r > 0xffff {
			return true
		}
	}
	return false
}
