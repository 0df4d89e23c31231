package pgquery

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"
)

// Ident is a name as it stands in the text.
type Ident struct {
	Name    string // without quotes, not cut at 63 bytes
	Line    int
	Unicode bool // U&"…", whose escapes are left as they are
}

// token is a token of the server's scanner; comments are left out.
type token struct {
	kind       pg.Token
	start, end int
}

// scan returns the tokens of a text.
func scan(sql string) ([]token, error) {
	result, err := pg.Scan(sql)
	if err != nil {
		pos := positioned(sql, nil, err)
		// What stands before the mistake can be scanned: it tells the statement.
		at, _ := cursor(sql, err)
		if before, err := pg.Scan(sql[:at]); err == nil {
			pos.Statement = statementAt(tokensOf(sql, before), at)
		}
		return nil, pos
	}
	return tokensOf(sql, result), nil
}

func tokensOf(sql string, result *pg.ScanResult) []token {
	tokens := make([]token, 0, len(result.Tokens))
	for _, t := range result.Tokens {
		k := token{t.Token, int(t.Start), int(t.End)}
		switch t.Token {
		case pg.Token_SQL_COMMENT, pg.Token_C_COMMENT:
			continue
		case pg.Token_UIDENT, pg.Token_USCONST:
			// The scanner reports an end within them (libpg_query 16).
			k.end = quotedEnd(sql, k.start+len(`U&`))
		}
		tokens = append(tokens, k)
	}
	return tokens
}

// quotedEnd is where the quoted text at i ends; its quote is doubled within it.
func quotedEnd(s string, i int) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		if s[i] != quote {
			continue
		}
		if i+1 >= len(s) || s[i+1] != quote {
			return i + 1
		}
		i++
	}
	return len(s)
}

// cutTokens splits off the tokens before an offset, and drops semicolons in front.
func cutTokens(tokens []token, end int) (own, rest []token) {
	for len(tokens) > 0 && tokens[0].kind == pg.Token_ASCII_59 {
		tokens = tokens[1:]
	}
	n := 0
	for n < len(tokens) && tokens[n].start < end {
		n++
	}
	return tokens[:n], tokens[n:]
}

// statementAt counts the statement at an offset, from 1.
func statementAt(tokens []token, at int) int {
	n, words := 1, 0
	var nest nesting
	for _, t := range tokens {
		if t.start >= at {
			break
		}
		nest.add(t.kind)
		switch {
		case t.kind == pg.Token_ASCII_59 && nest.depth == 0:
			if words > 0 {
				n++
			}
			words = 0
		default:
			words++
		}
	}
	return n
}

// nesting follows parentheses and the bodies of SQL functions, within which a
// semicolon ends no statement.
type nesting struct {
	depth  int
	atomic int // depth of BEGIN ATOMIC … END and of CASE … END within
	last   pg.Token
}

func (n *nesting) add(k pg.Token) {
	switch k {
	case pg.Token_ASCII_40:
		n.depth++
	case pg.Token_ASCII_41:
		n.depth = max(0, n.depth-1)
	case pg.Token_ATOMIC:
		if n.last == pg.Token_BEGIN_P {
			n.depth, n.atomic = n.depth+1, n.atomic+1
		}
	case pg.Token_CASE:
		if n.atomic > 0 {
			n.depth, n.atomic = n.depth+1, n.atomic+1
		}
	case pg.Token_END_P:
		if n.atomic > 0 {
			n.depth, n.atomic = max(0, n.depth-1), n.atomic-1
		}
	}
	n.last = k
}

// maxNesting bounds how deep a tree may get. The C code recurses without looking
// at its stack: `1+1+…` with some ten thousand terms ends the process.
const maxNesting = 10_000

// checkNesting refuses what may be nested too deep. Every level costs a token, and
// what commas separate lies side by side, so it counts the tokens since the last
// comma, over all open parentheses. Set operations and joins nest across commas.
func checkNesting(sql string, tokens []token) error {
	type level struct{ run, chain int }
	open := []level{{}}
	total := 0
	for _, t := range tokens {
		top := &open[len(open)-1]
		switch t.kind {
		case pg.Token_ASCII_59:
			if len(open) == 1 {
				total -= top.run + top.chain
				*top = level{}
			}
			continue
		case pg.Token_ASCII_44:
			total -= top.run
			top.run = 0
			continue
		case pg.Token_ASCII_40, pg.Token_ASCII_91:
			top.run++
			open = append(open, level{})
		case pg.Token_ASCII_41, pg.Token_ASCII_93:
			if len(open) > 1 {
				total -= top.run + top.chain
				open = open[:len(open)-1]
			}
			open[len(open)-1].run++
		case pg.Token_UNION, pg.Token_INTERSECT, pg.Token_EXCEPT, pg.Token_JOIN:
			top.chain++
		default:
			top.run++
		}
		if total++; total > maxNesting {
			return &Error{Line: lineAt(sql, t.start), Statement: statementAt(tokens, t.start),
				Message: fmt.Sprintf("more than %d words without a comma: it may be nested too deep to be read", maxNesting)}
		}
	}
	return nil
}

// idents returns the names among the tokens. Keywords that serve as names are too
// short to matter to anybody who asks.
func idents(sql string, tokens []token) []Ident {
	var out []Ident
	for _, t := range tokens {
		text := sql[t.start:t.end]
		switch {
		case t.kind == pg.Token_UIDENT:
			out = append(out, Ident{unquote(text[len(`U&`):]), lineAt(sql, t.start), true})
		case t.kind != pg.Token_IDENT:
		case strings.HasPrefix(text, `"`):
			out = append(out, Ident{unquote(text), lineAt(sql, t.start), false})
		default:
			out = append(out, Ident{text, lineAt(sql, t.start), false})
		}
	}
	return out
}

func unquote(s string) string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`), `""`, `"`)
}
