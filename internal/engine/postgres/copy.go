package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/phasedb/phased/internal/schema"
)

// emptyCopy is a table like another one, without rows, in a transaction that is
// rolled back. Changes are tried on it, and the server itself rewrites the
// expressions that name a renamed column: no parser is needed, and none can be
// wrong.
type emptyCopy struct {
	tx     *sql.Tx
	name   string // quoted and qualified
	oid    uint32
	source *schema.Table
	// index maps the source's indexes to the copy's, which the server named itself.
	index map[string]uint32
}

func newCopy(ctx context.Context, tx *sql.Tx, n int, t *schema.Table) (*emptyCopy, error) {
	c := &emptyCopy{tx: tx, name: fmt.Sprintf("pg_temp.phased_copy_%d", n), source: t, index: map[string]uint32{}}
	// AccessShare on the source, for a moment.
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("CREATE TEMPORARY TABLE phased_copy_%d (LIKE %s INCLUDING ALL)", n, qualified(t.Schema, t.Name))); err != nil {
		if code(err) == "42501" {
			return nil, fmt.Errorf("copy the structure of %s.%s into a temporary table: %w; grant the role TEMPORARY on the database and SELECT on the table", t.Schema, t.Name, err)
		}
		return nil, fmt.Errorf("copy the structure of %s.%s into a temporary table: %w", t.Schema, t.Name, err)
	}
	if err := tx.QueryRowContext(ctx, "SELECT $1::regclass::oid", c.name).Scan(&c.oid); err != nil {
		return nil, fmt.Errorf("find the copy of %s.%s: %w", t.Schema, t.Name, err)
	}
	like, err := c.table(ctx)
	if err != nil {
		return nil, err
	}
	// The copy's indexes are told by their definitions, which are still the source's.
	// Two that are alike are interchangeable.
	used := map[uint32]bool{}
	for _, x := range t.Indexes {
		for _, y := range like.Indexes {
			if !used[y.OID] && y.Definition == x.Definition && y.Unique == x.Unique {
				c.index[x.Name], used[y.OID] = y.OID, true
				break
			}
		}
	}
	return c, nil
}

// table reads the copy's catalog as it is now.
func (c *emptyCopy) table(ctx context.Context) (*schema.Table, error) { return table(ctx, c.tx, c.oid) }

// exec runs a statement on the copy; alter prefixes it with ALTER TABLE and the copy's name.
func (c *emptyCopy) exec(ctx context.Context, statement string) error {
	_, err := c.tx.ExecContext(ctx, statement)
	return err
}

func (c *emptyCopy) alter(ctx context.Context, clause string) error {
	return c.exec(ctx, "ALTER TABLE "+c.name+" "+clause)
}

// indexAfter gives the definition that a source's index has on the copy now.
func (c *emptyCopy) indexAfter(now *schema.Table, source string) (schema.Index, bool) {
	oid, ok := c.index[source]
	if !ok {
		return schema.Index{}, false
	}
	for _, x := range now.Indexes {
		if x.OID == oid {
			return x, true
		}
	}
	return schema.Index{}, false
}

// fileNode is the file that holds the copy's rows: it changes when the server rewrites the table.
func (c *emptyCopy) fileNode(ctx context.Context) (uint32, error) {
	var n uint32
	err := c.tx.QueryRowContext(ctx, "SELECT pg_relation_filenode($1::oid)", c.oid).Scan(&n)
	return n, err
}
