package plan

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/phasedb/phased/internal/sqltext"
)

// AsWrittenMark is a `-- phased:as-written reason="…"` line. It is about the
// statement that begins after it.
type AsWrittenMark struct {
	Line   int // from 1
	Offset int // of the comment, in bytes
	Reason string
}

const directivePrefix = "phased:"

// directives are the words that may follow the prefix, each with its form.
var directives = []struct {
	word, form string
	read       func(*directiveReader, *line) *InputError
}{
	{"up", "phased:up TABLE.COLUMN = EXPRESSION", (*directiveReader).up},
	{"down", "phased:down TABLE.COLUMN = EXPRESSION", (*directiveReader).down},
	{"contract", "phased:contract NAME", (*directiveReader).contract},
	{"as-written", `phased:as-written reason="…"`, (*directiveReader).asWritten},
	{"accept", `phased:accept HAZARD reason="…"`, (*directiveReader).accept},
	{"serialize-inserts", "phased:serialize-inserts TABLE.COLUMN", (*directiveReader).serializeInserts},
}

// ParseDirectives reads the `-- phased:` comments of a migration file, on MySQL and
// MariaDB the `# phased:` ones as well. It knows just enough SQL to tell a comment
// from the inside of a string, a quoted name, a dollar quote or a block comment, so
// that production needs no parser. An error is an [*InputError] with the line.
func ParseDirectives(d Dialect, file, sql string) (Directives, []AsWrittenMark, error) {
	r := directiveReader{file: file, lex: lexisOf(d)}
	if err := checkText(file, sql); err != nil {
		return Directives{}, nil, err
	}
	text := r.lex.scan(sql)
	if p := text.Problem; p != nil {
		return Directives{}, nil, r.errorf(p.Line, p.What, "%s", p.Way)
	}
	for _, c := range text.Comments {
		if err := r.comment(sql, c); err != nil {
			return Directives{}, nil, err
		}
	}
	if text.Open != "" {
		return Directives{}, nil, r.errorf(text.OpenLine, text.Open+" begins here and does not end", "close it")
	}
	return r.found, r.marks, nil
}

// checkText refuses what no server takes as SQL text.
func checkText(file, sql string) *InputError {
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return &InputError{File: file, Line: sqltext.LineAt(sql, i), Problem: "the text holds a NUL byte", Way: "save the file as UTF-8"}
	}
	for i := 0; i < len(sql); {
		c, n := utf8.DecodeRuneInString(sql[i:])
		if c == utf8.RuneError && n == 1 {
			return &InputError{File: file, Line: sqltext.LineAt(sql, i),
				Problem: fmt.Sprintf("byte 0x%02x is not UTF-8", sql[i]), Way: "save the file as UTF-8"}
		}
		i += n
	}
	return nil
}

// directiveReader gathers the directives of one file.
type directiveReader struct {
	file  string
	lex   *lexis
	found Directives
	marks []AsWrittenMark
}

// comment reads one line comment, which may be a directive.
func (r *directiveReader) comment(sql string, c sqltext.Comment) *InputError {
	text := strings.TrimSpace(c.Text)
	if len(text) < len(directivePrefix) || !strings.EqualFold(text[:len(directivePrefix)], directivePrefix) {
		return nil
	}
	word, rest := cutWord(text[len(directivePrefix):])
	if !strings.HasPrefix(text, directivePrefix) {
		if word == "" {
			return nil // prose: "Phased: …"
		}
		return r.errorf(c.Line, "directives are written in lower case", "write %s%s", directivePrefix, strings.ToLower(word))
	}
	for _, d := range directives {
		if d.word != word {
			continue
		}
		start := max(strings.LastIndexByte(sql[:c.Offset], '\n'), strings.LastIndexByte(sql[:c.Offset], '\r')) + 1
		if before := strings.TrimPrefix(sql[start:c.Offset], "\ufeff"); strings.Trim(before, " \t\f\v") != "" {
			return r.errorf(c.Line, fmt.Sprintf("phased:%s stands behind something else", word), "put it on a line of its own")
		}
		return d.read(r, &line{rest: rest, number: c.Line, offset: c.Offset, word: word, form: d.form, lex: r.lex})
	}
	known := make([]string, len(directives))
	for i, d := range directives {
		known[i] = d.word
	}
	return r.errorf(c.Line, fmt.Sprintf("phased:%s is not a directive", word), "known are %s", strings.Join(known, ", "))
}

// cutWord cuts the text at its first white space.
func cutWord(s string) (word, rest string) {
	i := strings.IndexAny(s, " \t\f\v")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimSpace(s[i:])
}

func (r *directiveReader) errorf(line int, problem, way string, args ...any) *InputError {
	return &InputError{File: r.file, Line: line, Problem: problem, Way: fmt.Sprintf(way, args...)}
}

// malformed says what is wrong with a directive and what it should look like.
func (r *directiveReader) malformed(l *line, problem string, args ...any) *InputError {
	return r.errorf(l.number, "phased:"+l.word+": "+fmt.Sprintf(problem, args...), "write %s", l.form)
}

func (r *directiveReader) up(l *line) *InputError   { return r.expression(l, DirectionUp) }
func (r *directiveReader) down(l *line) *InputError { return r.expression(l, DirectionDown) }

func (r *directiveReader) expression(l *line, dir Direction) *InputError {
	col, problem := l.column()
	if problem != "" {
		return r.malformed(l, "%s", problem)
	}
	if !l.take("=") {
		return r.malformed(l, "no = after %s", col)
	}
	expr := strings.TrimSpace(l.rest)
	if expr == "" {
		return r.malformed(l, "no expression after =")
	}
	if problem := r.lex.checkExpression(expr); problem != "" {
		return r.malformed(l, "%s", problem)
	}
	for _, e := range r.found.Expressions {
		if e.Direction == dir && e.Column == col {
			return r.errorf(l.number, fmt.Sprintf("phased:%s for %s stands on line %d already", l.word, col, e.Line), "keep one of them")
		}
	}
	r.found.Expressions = append(r.found.Expressions, Expression{Direction: dir, Column: col, SQL: expr, Line: l.number})
	return nil
}

func (r *directiveReader) contract(l *line) *InputError {
	name, rest := cutWord(l.rest)
	switch {
	case name == "":
		return r.malformed(l, "no name of a migration")
	case rest != "":
		return r.malformed(l, "%q stands behind the name", rest)
	case strings.HasSuffix(name, ".sql"):
		return r.errorf(l.number, fmt.Sprintf("phased:contract: %s is a file", name), "write phased:contract %s", strings.TrimSuffix(name, ".sql"))
	case slices.Contains(r.found.Contracts, name):
		return r.errorf(l.number, fmt.Sprintf("phased:contract %s stands in this file twice", name), "keep one of them")
	}
	r.found.Contracts = append(r.found.Contracts, name)
	return nil
}

func (r *directiveReader) asWritten(l *line) *InputError {
	reason, problem := l.reason()
	if problem != "" {
		return r.malformed(l, "%s", problem)
	}
	r.marks = append(r.marks, AsWrittenMark{Line: l.number, Offset: l.offset, Reason: reason})
	return nil
}

func (r *directiveReader) accept(l *line) *InputError {
	hazard, rest := cutWord(l.rest)
	if hazard == "" || strings.HasPrefix(hazard, "reason=") {
		return r.malformed(l, "no name of a hazard")
	}
	if strings.Trim(hazard, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return r.malformed(l, "%q is not the name of a hazard (small letters, digits and -)", hazard)
	}
	l.rest = rest
	reason, problem := l.reason()
	if problem != "" {
		return r.malformed(l, "%s", problem)
	}
	for _, a := range r.found.Accepts {
		if a.Hazard == hazard {
			return r.errorf(l.number, fmt.Sprintf("phased:accept %s stands on line %d already", hazard, a.Line), "keep one of them")
		}
	}
	r.found.Accepts = append(r.found.Accepts, Accept{Hazard: hazard, Reason: reason, Line: l.number})
	return nil
}

func (r *directiveReader) serializeInserts(l *line) *InputError {
	col, problem := l.column()
	if problem != "" {
		return r.malformed(l, "%s", problem)
	}
	if rest := strings.TrimSpace(l.rest); rest != "" {
		return r.malformed(l, "%q stands behind the column", rest)
	}
	if slices.Contains(r.found.SerializeInserts, col) {
		return r.errorf(l.number, fmt.Sprintf("phased:serialize-inserts %s stands in this file twice", col), "keep one of them")
	}
	r.found.SerializeInserts = append(r.found.SerializeInserts, col)
	return nil
}

// line is what follows a directive's word.
type line struct {
	rest           string
	number, offset int
	word, form     string
	lex            *lexis
}

// take consumes a fixed text, and white space before it.
func (l *line) take(s string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(l.rest, " \t\f\v"), s)
	if ok {
		l.rest = rest
	}
	return ok
}

// column reads [SCHEMA.]TABLE.COLUMN.
func (l *line) column() (c ColumnName, problem string) {
	var parts []string
	for {
		name, problem := l.name()
		if problem != "" {
			return c, problem
		}
		parts = append(parts, name)
		if !l.take(".") {
			break
		}
	}
	switch len(parts) {
	case 1:
		return c, fmt.Sprintf("%q is one name, a table and a column are needed", parts[0])
	case 2:
		return ColumnName{Table: parts[0], Column: parts[1]}, ""
	case 3:
		return ColumnName{Schema: parts[0], Table: parts[1], Column: parts[2]}, ""
	}
	return c, fmt.Sprintf("%s has %d parts, more than schema, table and column", strings.Join(parts, "."), len(parts))
}

func (l *line) name() (name, problem string) {
	l.rest = strings.TrimLeft(l.rest, " \t\f\v")
	quote := l.lex.quote
	if strings.HasPrefix(l.rest, quote) {
		end := sqltext.QuotedEnd(l.rest, 0, false)
		if end < 0 {
			return "", "a quoted name has no closing " + quote
		}
		name = strings.ReplaceAll(l.rest[1:end-1], quote+quote, quote)
		l.rest = l.rest[end:]
		if name == "" {
			return "", "a quoted name is empty"
		}
	} else {
		end := 0
		for end < len(l.rest) && (end > 0 || l.lex.nameStart(l.rest[0])) && l.lex.namePart(l.rest[end]) {
			end++
		}
		if end == 0 {
			if l.rest == "" {
				return "", "no column"
			}
			return "", fmt.Sprintf("no name at %q", l.rest)
		}
		name = l.lex.fold(l.rest[:end])
		l.rest = l.rest[end:]
	}
	return name, l.lex.tooLong(name)
}

// reason reads reason="…", in which \" and \\ stand for " and \.
func (l *line) reason() (reason, problem string) {
	if !l.take("reason=") {
		if strings.TrimSpace(l.rest) == "" {
			return "", "no reason"
		}
		return "", fmt.Sprintf("reason expected, not %q", strings.TrimSpace(l.rest))
	}
	if !strings.HasPrefix(l.rest, `"`) {
		return "", "the reason is not in double quotes"
	}
	var b strings.Builder
	for i := 1; i < len(l.rest); i++ {
		switch c := l.rest[i]; {
		case c == '\\' && i+1 < len(l.rest) && (l.rest[i+1] == '"' || l.rest[i+1] == '\\'):
			i++
			b.WriteByte(l.rest[i])
		case c == '"':
			if rest := strings.TrimSpace(l.rest[i+1:]); rest != "" {
				return "", fmt.Sprintf("%q stands behind the reason", rest)
			}
			reason = strings.TrimSpace(b.String())
			if reason == "" {
				return "", "the reason is empty"
			}
			return reason, ""
		default:
			b.WriteByte(c)
		}
	}
	return "", `the reason has no closing "`
}
