package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/phasedb/phased/expand/plan"
)

// dsnFlag declares -dsn and -dialect and returns what opens the database.
func dsnFlag(fs *flag.FlagSet) func(ctx context.Context, c *console) (*sql.DB, error) {
	dsn := fs.String("dsn", "", "the `database`, as a URL, as keywords and values (PostgreSQL) or as user:password@tcp(host:port)/name (MySQL, MariaDB); default $PHASED_DSN, else $DATABASE_URL")
	name := fs.String("dialect", "", "the `server`, where the DSN does not tell: postgres, mysql or mariadb")
	return func(ctx context.Context, c *console) (*sql.DB, error) {
		for _, v := range []string{os.Getenv("PHASED_DSN"), os.Getenv("DATABASE_URL")} {
			if *dsn == "" {
				*dsn = v
			}
		}
		if *dsn == "" {
			return nil, badUsage("no database: give -dsn, or set PHASED_DSN or DATABASE_URL")
		}
		d, err := dialect(*name, *dsn)
		if err != nil {
			return nil, err
		}
		return open(ctx, c, d, *dsn)
	}
}

// directFlag declares -direct and returns what opens the way past a pooler; nil where
// none is given.
func directFlag(fs *flag.FlagSet) func(ctx context.Context, c *console) (*sql.DB, error) {
	dsn := fs.String("direct", "", "the same `database` past any pooler: needed behind PgBouncer in transaction mode, for what cannot be in a transaction; default $PHASED_DIRECT_DSN")
	return func(ctx context.Context, c *console) (*sql.DB, error) {
		if *dsn == "" {
			*dsn = os.Getenv("PHASED_DIRECT_DSN")
		}
		if *dsn == "" {
			return nil, nil
		}
		d, err := dialect("", *dsn)
		if err != nil {
			return nil, fmt.Errorf("-direct: %w", err)
		}
		db, err := open(ctx, c, d, *dsn)
		if err != nil {
			return nil, fmt.Errorf("-direct: %w", err)
		}
		return db, nil
	}
}

// closeAll closes the pools that were opened.
func closeAll(pools ...*sql.DB) {
	for _, db := range pools {
		if db != nil {
			db.Close()
		}
	}
}

// open connects once, so that a wrong address is told apart from what comes later.
func open(ctx context.Context, c *console, d plan.Dialect, dsn string) (*sql.DB, error) {
	c.hide(dsn)
	pool := openPostgres
	if d != plan.DialectPostgres {
		pool = openMySQL
	}
	db, err := pool(c, dsn)
	if err != nil {
		var bad *url.Error
		if errors.As(err, &bad) { // it would repeat the whole address
			err = bad.Err
		}
		return nil, fmt.Errorf("read the DSN: %w", err)
	}
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return db, nil
}

var (
	inURL      = regexp.MustCompile(`^[a-z]+://[^/?#]*?:([^/]*)@`)
	inQuery    = regexp.MustCompile(`[?&]password=([^&]*)`)
	inKeywords = regexp.MustCompile(`(?:^|\s)password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))`)
	inMySQL    = regexp.MustCompile(`^[^:]*:(.*)@`)
)

// hide remembers what must not be printed of a DSN: its password, as it stands and
// as it reads, also where the rest of the DSN cannot be read.
func (c *console) hide(dsn string) {
	forms := []*regexp.Regexp{inURL, inQuery, inKeywords}
	if !strings.Contains(dsn, "://") && !ofKeyword.MatchString(dsn) {
		forms = append(forms, inMySQL)
	}
	for _, re := range forms {
		for _, m := range re.FindAllStringSubmatch(dsn, -1) {
			for _, secret := range m[1:] {
				c.hideOne(secret)
				if plain, err := url.PathUnescape(secret); err == nil {
					c.hideOne(plain)
				}
				c.hideOne(strings.ReplaceAll(secret, `\`, ""))
			}
		}
	}
}

func (c *console) hideOne(secret string) {
	if secret != "" {
		c.secrets = append(c.secrets, secret)
	}
}
