package sqltext

import "strings"

// Kind is a kind of token.
type Kind int

// The kinds of token.
const (
	Word      Kind = iota // a name without quotes, a keyword, or a number
	Name                  // `…`
	String                // '…' or "…"
	Symbol                // one byte that is none of these
	ExecBegin             // /*! or /*M! with the version behind it: what follows is code to some servers
	ExecEnd               // its */
)

// Token is a word of MySQL's or MariaDB's SQL.
type Token struct {
	Kind       Kind
	Start, End int
	Line       int // from 1
}

// MySQL reads the SQL of MySQL and MariaDB as it is under the default sql_mode: "…"
// is a string, and a backslash in a string takes the next character. A comment that
// is code to some servers is read as code.
func MySQL(text string) *Text {
	l := mysqlLexer{text: text, line: 1}
	if strings.HasPrefix(text, "\ufeff") {
		l.at = len("\ufeff")
	}
	for l.at < len(l.text) && l.found.Open == "" {
		l.next()
	}
	if l.exec {
		l.found.Open, l.found.OpenLine = "a comment", LineAt(text, l.execStart)
	}
	l.found.Symbols = string(l.symbols)
	return &l.found
}

type mysqlLexer struct {
	text string
	at   int
	line int

	exec      bool // within /*! … */
	execStart int

	found   Text
	symbols []byte
}

func (l *mysqlLexer) next() {
	rest := l.text[l.at:]
	switch c := rest[0]; {
	case strings.IndexByte(" \t\f\v\r\n", c) >= 0:
		if c == '\n' {
			l.line++
		}
		l.at++
	case c == '#':
		l.lineComment(1)
	case strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' ' || rest[2] == 0x7f):
		l.lineComment(2)
	case strings.HasPrefix(rest, "/*"):
		l.block(rest)
	case l.exec && strings.HasPrefix(rest, "*/"):
		l.execEnd()
	case c == '\'' || c == '"':
		l.quoted(String, "a string")
	case c == '`':
		l.quoted(Name, "a quoted name")
	case c == '$' && l.dollar():
	case MySQLNamePart(c):
		end := l.at + 1
		for end < len(l.text) && MySQLNamePart(l.text[end]) {
			end++
		}
		l.token(Word, end)
	default:
		if l.found.Problem == nil && strings.HasPrefix(rest, "--phased:") {
			l.problem(l.line, "-- without a blank behind it begins no comment", "write -- phased:")
		}
		l.symbols = append(l.symbols, c)
		l.token(Symbol, l.at+1)
	}
}

// dollar takes AS $tag$ … $tag$ for a string: so MySQL 9 quotes the body of a routine in
// another language. Elsewhere a dollar sign is part of a name.
func (l *mysqlLexer) dollar() bool {
	n := len(l.found.Tokens)
	if n == 0 || !strings.EqualFold(l.text[l.found.Tokens[n-1].Start:l.found.Tokens[n-1].End], "AS") {
		return false
	}
	end := l.at + 1
	for end < len(l.text) && l.text[end] != '$' && MySQLNamePart(l.text[end]) {
		end++
	}
	if end == len(l.text) || l.text[end] != '$' {
		return false
	}
	tag := l.text[l.at : end+1]
	i := strings.Index(l.text[end+1:], tag)
	if i < 0 {
		return false
	}
	l.token(String, end+1+i+len(tag))
	return true
}

// MySQLNamePart reports whether a name without quotes may hold a byte.
func MySQLNamePart(c byte) bool { return PostgresNamePart(c) }

func (l *mysqlLexer) token(k Kind, end int) {
	l.found.Tokens = append(l.found.Tokens, Token{Kind: k, Start: l.at, End: end, Line: l.line})
	l.line += strings.Count(l.text[l.at:end], "\n")
	l.at = end
}

func (l *mysqlLexer) problem(line int, what, way string) {
	if l.found.Problem == nil {
		l.found.Problem = &Problem{Line: line, What: what, Way: way}
	}
}

func (l *mysqlLexer) open(what string) {
	l.found.Open, l.found.OpenLine = what, l.line
	l.exec = false
}

func (l *mysqlLexer) quoted(k Kind, what string) {
	end := QuotedEnd(l.text, l.at, k == String)
	if end < 0 {
		l.open(what)
		return
	}
	l.token(k, end)
}

// lineComment ends at a line feed: a carriage return alone ends no line here, and
// whatever an editor shows as the next line would be lost without a word.
func (l *mysqlLexer) lineComment(mark int) {
	end := len(l.text)
	if i := strings.IndexByte(l.text[l.at:], '\n'); i >= 0 {
		end = l.at + i
	}
	text := strings.TrimSuffix(l.text[l.at+mark:end], "\r")
	if strings.Contains(text, "\r") {
		l.problem(l.line, "a comment holds a carriage return, which ends no line for the server", "save the file with line feeds")
	}
	if !l.exec {
		l.found.Comments = append(l.found.Comments, Comment{Offset: l.at, Line: l.line, Text: text})
	}
	l.at = end
}

// block skips a block comment, or enters one that is code to some servers.
func (l *mysqlLexer) block(rest string) {
	l.found.Blocks++
	mark := 0
	switch {
	case strings.HasPrefix(rest, "/*!"):
		mark = len("/*!")
	case strings.HasPrefix(rest, "/*M!"):
		mark = len("/*M!")
	}
	if mark > 0 && !l.exec {
		for version := mark + 6; mark < min(version, len(rest)) && rest[mark] >= '0' && rest[mark] <= '9'; {
			mark++
		}
		l.exec, l.execStart = true, l.at
		l.token(ExecBegin, l.at+mark)
		return
	}
	end := strings.Index(rest[2:], "*/")
	if end < 0 {
		l.open("a block comment")
		return
	}
	end += l.at + len("/**/")
	l.line += strings.Count(l.text[l.at:end], "\n")
	l.at = end
}

// execEnd leaves a comment that is code to some servers. The others skip to the first
// */, whatever stands before it: where the two end in different places, nobody can
// say what the text means.
func (l *mysqlLexer) execEnd() {
	l.exec = false
	l.token(ExecEnd, l.at+len("*/"))
	if first := strings.Index(l.text[l.execStart+2:], "*/"); l.execStart+2+first+2 != l.at {
		l.problem(LineAt(l.text, l.execStart), "a comment that is code to some servers ends elsewhere for others", "take quotes and comments out of it, or write it as plain SQL")
	}
}
