package myquery

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // literals, without the server's types

	"github.com/phasedb/phased/internal/sqltext"
)

// Read reads the statement with the grammar. Node is nil for kinds that have no type
// here. The error is an [*Error].
func (s Statement) Read() (Node, error) {
	tree, err := s.parse()
	if err != nil {
		return nil, err
	}
	node, err := translate(s, tree)
	if err != nil {
		return nil, &Error{Line: s.Line, Statement: s.Index, Message: err.Error()}
	}
	return node, nil
}

func (s Statement) parse() (ast.StmtNode, error) {
	if err := checkNesting(s.sql, s.toks); err != nil {
		return nil, s.placed(err)
	}
	text, hidden := cover(s.sql, s.toks)
	tree, err := parseOne(text)
	if err != nil {
		err.offset += s.Start
		return nil, s.placed(err)
	}
	for _, h := range hidden {
		if err := parseHidden(h); err != nil {
			return nil, s.placed(err)
		}
	}
	return tree, nil
}

// placed gives a mistake its line, and says at which word it is.
func (s Statement) placed(m *mistake) *Error {
	e := &Error{Line: sqltext.LineAt(s.sql, min(m.offset, len(s.sql))), Statement: s.Index, Message: m.message}
	if m.message != "" {
		return e
	}
	for i, t := range s.toks {
		if t.End <= m.offset {
			continue
		}
		e.Line = t.Line
		e.Message = fmt.Sprintf("syntax error at or near %q", s.sql[t.Start:t.End])
		e.Way = wayAround(&cursor{sql: s.sql, toks: s.toks, at: i})
		return e
	}
	e.Line = s.toks[len(s.toks)-1].Line // the end of input: name the last line with something on it
	e.Message = "syntax error at end of input"
	return e
}

// wayAround knows words that only one of the servers reads, or reads in another way.
func wayAround(c *cursor) string {
	switch word := c.upper(c.at); {
	case word == "WAIT", word == "NOWAIT":
		return "leave " + word + " away: each step waits briefly, by itself"
	case word == "IF" && (c.is("IF", "EXISTS") || c.is("IF", "NOT", "EXISTS")):
		return "leave IF … EXISTS away: a plan asks the catalog itself"
	case word == `\`:
		return `leave it away: \g and \G are commands of the mysql client`
	case strings.HasPrefix(c.text(c.at), `"`):
		return "write names in backticks: in double quotes they are strings"
	case word == "[":
		return "write names in backticks"
	}
	return ""
}

// mistake is an error at an offset; an empty message is a syntax error.
type mistake struct {
	offset  int
	message string
}

// parseOne parses one statement. A panic in the parser is a mistake of the text.
func parseOne(text string) (tree ast.StmtNode, err *mistake) {
	defer func() {
		if p := recover(); p != nil {
			tree, err = nil, &mistake{0, fmt.Sprintf("the parser gives up: %v", p)}
		}
	}()
	stmts, _, bad := parser.New().ParseSQL(text)
	if bad != nil {
		return nil, mistakeOf(text, bad)
	}
	if len(stmts) != 1 {
		return nil, &mistake{0, "it is not one statement"}
	}
	return stmts[0], nil
}

var (
	nearWords  = regexp.MustCompile(`(?s)^line \d+ column \d+ near "(.*)"(.*)$`)
	truncated  = regexp.MustCompile(`\(total length (\d+)\)\s*$`)
	parserCode = regexp.MustCompile(`^\[\w+:\d+\]`)
)

// mistakeOf finds where the parser stopped: it repeats the text from there on.
func mistakeOf(text string, err error) *mistake {
	m := nearWords.FindStringSubmatch(err.Error())
	if m == nil {
		message, _, _ := strings.Cut(parserCode.ReplaceAllString(err.Error(), ""), "\n")
		return &mistake{0, strings.TrimSuffix(strings.TrimSpace(message), ".")}
	}
	left := len(m[1])
	if n := truncated.FindStringSubmatch(m[2]); n != nil {
		left, _ = strconv.Atoi(n[1])
	}
	message := strings.TrimSpace(truncated.ReplaceAllString(m[2], ""))
	return &mistake{max(0, len(text)-left), strings.TrimSuffix(message, ".")}
}

// parseHidden reads an expression that stands in for nothing the grammar knows.
func parseHidden(c *cursor) *mistake {
	const before = "SELECT ("
	text, _ := cover(c.sql, c.toks) // no default has an expression within an expression
	_, err := parseOne(before + text + ")")
	if err != nil {
		err.offset += c.toks[0].Start - len(before)
	}
	return err
}

// maxNesting bounds how deep a tree may get: whoever walks it recurses.
const maxNesting = 10_000

// checkNesting refuses what may be nested too deep. Every level costs a token, and
// what commas separate lies side by side, so it counts the tokens since the last
// comma, over all open parentheses.
func checkNesting(sql string, toks []sqltext.Token) *mistake {
	open := []int{0}
	total := 0
	for _, t := range toks {
		top := &open[len(open)-1]
		switch sql[t.Start] {
		case ',':
			total -= *top
			*top = 0
			continue
		case '(':
			*top++
			open = append(open, 0)
		case ')':
			if len(open) > 1 {
				total -= *top
				open = open[:len(open)-1]
			}
			open[len(open)-1]++
		default:
			*top++
		}
		if total++; total > maxNesting {
			return &mistake{t.Start, fmt.Sprintf("more than %d words without a comma: it may be nested too deep to be read", maxNesting)}
		}
	}
	return nil
}

// errDiffers is a text that does not say what the parser saw.
var errDiffers = errors.New("the parser cannot read it faithfully")
