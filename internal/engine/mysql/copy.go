package mysql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/phasedb/phased/expand/plan"
	"github.com/phasedb/phased/internal/schema"
)

// copyPrefix begins the names of empty copies.
const copyPrefix = "phased~copy~"

// emptyCopy is a table like another one with at most one row, on which the whole life of
// a change is gone through before anything is touched: the server itself says which
// ALGORITHM each step gets, and whether the triggers can be created and fire. One row,
// because MySQL rebuilds an empty table where it would not rebuild a full one.
type emptyCopy struct {
	e    *Engine
	c    *sql.Conn
	name string
	mark string // in the names of what must be unique in the database
}

// The ways in which an ALTER may run, the best one first. None of them blocks writes for
// longer than a moment.
const (
	algorithmInstant = "ALGORITHM=INSTANT"
	algorithmNoCopy  = "ALGORITHM=NOCOPY, LOCK=NONE"
	algorithmInPlace = "ALGORITHM=INPLACE, LOCK=NONE"
)

func (e *Engine) algorithms(clauses string) []string {
	switch {
	case e.mariadb():
		return []string{algorithmInstant, algorithmNoCopy, algorithmInPlace}
	case cutsName(clauses):
		return []string{algorithmInPlace}
	}
	return []string{algorithmInstant, algorithmInPlace}
}

// maxDroppedName is how many bytes of a column's name MySQL keeps when it drops it
// instantly: 64 without "!hidden!_dropped_v64_p1017_".
const maxDroppedName = 37

// cutsName: where it would cut such a name within a character, MySQL refuses the
// statement (error 3507); whether it does depends on the table's earlier life.
func cutsName(clauses string) bool {
	_, rest, ok := strings.Cut(clauses, "DROP COLUMN ")
	if !ok {
		return false
	}
	name, _ := leadingName(rest)
	return len(name) > maxDroppedName && len(name) != utf8.RuneCountInString(name)
}

// template is a statement on a table whose name is not fixed: tableMark stands for it. A
// foreign key's name, which is unique in a database, stands between keyMarks, and the
// table it references between otherMarks: the copy's keys lead nowhere, so that nobody
// else's table is locked. A name that something takes at the end stands between
// finalMarks: on the copy an earlier change in flight may have it still.
type template string

const (
	tableMark = "\x00"
	keyMark   = "\x01"
	otherMark = "\x02"
	finalMark = "\x03"
)

// copyKey marks the name of a foreign key.
func copyKey(name string) string { return keyMark + name + keyMark }

// finalName marks a name that is free in the end.
func finalName(name string) string { return finalMark + name + finalMark }

// other marks a table, quoted.
func other(table string) string { return otherMark + table + otherMark }

// between replaces what stands between two marks.
func between(s, mark string, with func(string) string) string {
	parts := strings.Split(s, mark)
	for i := 1; i < len(parts); i += 2 {
		parts[i] = with(parts[i])
	}
	return strings.Join(parts, "")
}

// real is the statement on the table itself.
func (t template) real(table string) string {
	s := between(strings.ReplaceAll(string(t), tableMark, ident(table)), keyMark, ident)
	return strings.ReplaceAll(between(s, finalMark, ident), otherMark, "")
}

// text is the statement on the copy.
func (c *emptyCopy) text(t template) string {
	s := between(strings.ReplaceAll(string(t), tableMark, ident(c.name)), keyMark, func(name string) string { return ident(c.keyName(name)) })
	s = between(s, finalMark, func(name string) string { return ident(c.keyName("~" + name)) })
	return between(s, otherMark, func(string) string { return ident(copyPrefix + "nowhere") })
}

// keyName is the name that a foreign key has on the copy.
func (c *emptyCopy) keyName(name string) string { return shortName("phased~"+c.mark+"~", name, "") }

// newCopy makes the copy, with the table's foreign keys, which lead nowhere there, and a
// row.
func (e *Engine) newCopy(ctx context.Context, conn *sql.Conn, t *schema.Table) (*emptyCopy, error) {
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	c := &emptyCopy{e: e, c: conn, mark: hex.EncodeToString(random)}
	c.name = copyPrefix + c.mark
	if err := c.exec(ctx, template("CREATE TABLE "+tableMark+" LIKE "+ident(t.Name))); err != nil {
		return nil, fmt.Errorf("copy the structure of %s into a table: %w", t.Name, err)
	}
	err := c.foreignKeys(ctx, t)
	if err == nil {
		err = c.row(ctx, t)
	}
	if err != nil {
		c.drop(ctx)
		return nil, fmt.Errorf("prepare an empty copy of %s: %w", t.Name, err)
	}
	return c, nil
}

func (c *emptyCopy) foreignKeys(ctx context.Context, t *schema.Table) error {
	for _, k := range t.Constraints {
		if k.Kind != schema.ConstraintForeign {
			continue
		}
		add := fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s)%s", tableMark, copyKey(k.Name), idents(k.Columns), other(k.References), idents(k.RefColumns), spaced(k.Tail))
		if err := c.unchecked(ctx, func() error { return c.exec(ctx, template(add)) }); err != nil {
			return err
		}
	}
	return c.indexes(ctx, t)
}

// indexes adds those that a foreign key of the copy has displaced: the index that the
// server has made for a key goes when it makes another one for the copy's.
func (c *emptyCopy) indexes(ctx context.Context, t *schema.Table) error {
	have, err := list(ctx, c.c, "SELECT /* phased */ DISTINCT INDEX_NAME FROM information_schema.STATISTICS WHERE "+inTable(c.name))
	if err != nil {
		return err
	}
	for _, x := range t.Indexes {
		if x.Primary || slices.Contains(have, x.Name) {
			continue
		}
		unique := ""
		if x.Unique {
			unique = "UNIQUE "
		}
		if err := c.exec(ctx, template(fmt.Sprintf("ALTER TABLE %s ADD %sINDEX %s %s", tableMark, unique, ident(x.Name), x.Definition))); err != nil {
			return err
		}
	}
	return nil
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

// row puts a row in: one of defaults, else one of the table's own. Without any the
// answers may be worse than they have to be, never better.
func (c *emptyCopy) row(ctx context.Context, t *schema.Table) error {
	if !c.e.mariadb() {
		text, err := showCreate(ctx, c.c, c.name)
		if err != nil {
			return err
		}
		parsed, err := parseCreate(text)
		if err != nil {
			return err
		}
		for _, k := range parsed.others {
			if k.kind == "CHECK" {
				if err := c.exec(ctx, template("ALTER TABLE "+tableMark+" ALTER CHECK "+ident(k.name)+" NOT ENFORCED")); err != nil {
					return err
				}
			}
		}
	}
	var columns []string
	for _, x := range t.Columns {
		if x.Generated == "" {
			columns = append(columns, ident(x.Name))
		}
	}
	own := strings.Join(columns, ", ")
	return c.lax(ctx, func() error {
		err := c.exec(ctx, "INSERT /* phased */ INTO "+tableMark+" () VALUES ()")
		if err != nil && number(err) != 0 {
			err = c.exec(ctx, template(fmt.Sprintf("INSERT /* phased */ INTO %s (%s) SELECT %s FROM %s LIMIT 1", tableMark, own, own, ident(t.Name))))
		}
		if number(err) != 0 {
			return nil
		}
		return err
	})
}

// drop removes the copy; what cannot be removed now is removed by a later plan.
func (c *emptyCopy) drop(ctx context.Context) {
	_ = c.unchecked(context.WithoutCancel(ctx), func() error { return c.exec(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+tableMark) })
}

// dropLeftovers removes what a plan that was ended has left: copies, after an hour, and
// views whose copy is gone.
func dropLeftovers(ctx context.Context, c *sql.Conn) error {
	old, err := list(ctx, c, `SELECT /* phased */ CONCAT('DROP TABLE IF EXISTS ', '`+"`"+`', TABLE_NAME, '`+"`"+`') FROM information_schema.TABLES t
		WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'phased~copy~%' AND TABLE_TYPE = 'BASE TABLE' AND CREATE_TIME < UTC_TIMESTAMP() - INTERVAL 1 HOUR
		UNION ALL SELECT CONCAT('DROP VIEW IF EXISTS ', '`+"`"+`', TABLE_NAME, '`+"`"+`') FROM information_schema.VIEWS v WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'phased~copy~%~v'
		AND NOT EXISTS (SELECT 1 FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE' AND CONCAT(t.TABLE_NAME, '~v') = v.TABLE_NAME)`)
	if err != nil {
		return fmt.Errorf("look for copies that an earlier plan left: %w", err)
	}
	for _, drop := range old {
		_, _ = c.ExecContext(ctx, drop) // a later plan tries again
	}
	return nil
}

func (c *emptyCopy) exec(ctx context.Context, t template) error {
	_, err := c.c.ExecContext(ctx, c.text(t))
	return err
}

// unchecked runs fn without the checks of foreign keys.
func (c *emptyCopy) unchecked(ctx context.Context, fn func() error) error {
	return c.setting(ctx, "foreign_key_checks = 0", "foreign_key_checks = 1", fn)
}

// lax runs fn where a value that is missing or does not fit is no error.
func (c *emptyCopy) lax(ctx context.Context, fn func() error) error {
	set, back := "sql_mode = '', foreign_key_checks = 0", "sql_mode = '"+strictMode+"', foreign_key_checks = 1"
	if c.e.mariadb() {
		set, back = set+", check_constraint_checks = 0", back+", check_constraint_checks = 1"
	}
	return c.setting(ctx, set, back, fn)
}

func (c *emptyCopy) setting(ctx context.Context, set, back string, fn func() error) error {
	if _, err := c.c.ExecContext(ctx, "SET "+set); err != nil {
		return err
	}
	err := fn()
	if _, failed := c.c.ExecContext(ctx, "SET "+back); err == nil {
		err = failed
	}
	return err
}

// alter runs an ALTER TABLE in the best way that the server accepts, and says which. The
// error is a *blocksError where there is none.
func (c *emptyCopy) alter(ctx context.Context, clauses string) (algorithm string, err error) {
	var reason error
	for _, algorithm := range c.e.algorithms(clauses) {
		err = c.exec(ctx, alterText(clauses, algorithm))
		if err == nil {
			return algorithm, nil
		}
		if !notThisWay(err) {
			return "", err
		}
		if number(err) == errNotSupportedWhy || reason == nil {
			reason = err
		}
	}
	return "", &blocksError{clauses: plain(clauses), err: reason}
}

func alterText(clauses, algorithm string) template {
	return template("ALTER TABLE " + tableMark + " " + clauses + ", " + algorithm)
}

// plain is a template's text for people.
func plain(clauses string) string {
	return strings.NewReplacer(tableMark, "…", keyMark, "`", finalMark, "`", otherMark, "").Replace(clauses)
}

// notThisWay reports that the server does not do it with this ALGORITHM or LOCK.
func notThisWay(err error) bool {
	switch number(err) {
	case errNotSupported, errNotSupportedWhy, errUnknownAlgorithm, errLockClause, errRowVersions:
		return true
	}
	return false
}

// blocksError: the server would copy the table or block its writes.
type blocksError struct {
	clauses string
	err     error
}

func (e *blocksError) Error() string {
	return fmt.Sprintf("the server can do %q only by blocking writes: %v", e.clauses, e.err)
}

func (e *blocksError) Unwrap() error { return e.err }

// sync makes the copy's triggers what the links say.
func (c *emptyCopy) sync(ctx context.Context, links []plan.Link) error {
	have, err := triggers(ctx, c.c, c.name)
	if err != nil {
		return err
	}
	want := triggerNames(c.name, links)
	for _, name := range have { // also those of an earlier change of the file
		if slices.Contains(want, name) {
			continue
		}
		if _, err := c.c.ExecContext(ctx, "DROP TRIGGER "+ident(name)); err != nil {
			return err
		}
	}
	for i, create := range c.e.Compose("", c.name, links) {
		if slices.Contains(have, want[i]) {
			continue
		}
		if _, err := c.c.ExecContext(ctx, create); err != nil {
			return err
		}
	}
	return nil
}

// fire inserts and updates rows, so that what cannot work is found now and not by a
// user's statement. What a constraint of the table's own says is no fault of the sync.
func (c *emptyCopy) fire(ctx context.Context, l plan.Link) error {
	return c.try(ctx, func() error {
		for _, t := range []string{
			"DELETE /* phased */ FROM " + tableMark,
			"INSERT /* phased */ INTO " + tableMark + " () VALUES ()",
			"INSERT /* phased */ INTO " + tableMark + " (" + ident(l.New) + ") VALUES (DEFAULT)",
			"INSERT /* phased */ INTO " + tableMark + " (" + ident(l.New) + ") VALUES (NULL)",
			"UPDATE /* phased */ " + tableMark + " SET " + ident(l.New) + " = " + ident(l.Old),
			"UPDATE /* phased */ " + tableMark + " SET " + ident(l.Old) + " = NULL",
		} {
			if err := c.exec(ctx, template(t)); err != nil && !c.e.RowError(err) {
				return err
			}
		}
		return nil
	})
}

// tells reports whether a trigger knows the link's default in a row that leaves the new
// column out. It is asked in a trigger, where the server compares otherwise than in a
// query. ok is true, too, where the table's own constraints let no such row in.
func (c *emptyCopy) tells(ctx context.Context, l plan.Link) (ok bool, err error) {
	name := shortName(triggerPrefix+c.mark+"~", "told", "")
	ask := fmt.Sprintf("CREATE TRIGGER %s BEFORE INSERT ON %s FOR EACH ROW SET @phased_told = %s", ident(name), tableMark, same(l.Type, "NEW."+ident(l.New), defaultOf(l)))
	if err := c.exec(ctx, template(ask)); err != nil {
		return false, err
	}
	told := sql.NullBool{}
	err = c.try(ctx, func() error {
		for _, t := range []string{"SET @phased_told = NULL", "DELETE /* phased */ FROM " + tableMark, "INSERT /* phased */ INTO " + tableMark + " () VALUES ()"} {
			if err := c.exec(ctx, template(t)); err != nil && !c.e.RowError(err) {
				return err
			}
		}
		return c.c.QueryRowContext(ctx, "SELECT @phased_told").Scan(&told)
	})
	if _, failed := c.c.ExecContext(ctx, "DROP TRIGGER "+ident(name)); err == nil {
		err = failed
	}
	return !told.Valid || told.Bool, err
}

// try runs statements that write rows and takes back what they did.
func (c *emptyCopy) try(ctx context.Context, fn func() error) error {
	return c.lax(ctx, func() error {
		if _, err := c.c.ExecContext(ctx, "START TRANSACTION"); err != nil {
			return err
		}
		err := fn()
		if _, back := c.c.ExecContext(ctx, "ROLLBACK"); err == nil {
			err = back
		}
		return err
	})
}
