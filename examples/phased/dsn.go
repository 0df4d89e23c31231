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

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// dsnFlag declares -dsn and returns what opens the database.
func dsnFlag(fs *flag.FlagSet) func(ctx context.Context, c *console) (*sql.DB, error) {
	dsn := fs.String("dsn", "", "the `database`, as a URL or as keywords and values; default $PHASED_DSN, else $DATABASE_URL")
	return func(ctx context.Context, c *console) (*sql.DB, error) {
		for _, v := range []string{os.Getenv("PHASED_DSN"), os.Getenv("DATABASE_URL")} {
			if *dsn == "" {
				*dsn = v
			}
		}
		if *dsn == "" {
			return nil, badUsage("no database: give -dsn, or set PHASED_DSN or DATABASE_URL")
		}
		return open(ctx, c, *dsn)
	}
}

// open connects once, so that a wrong address is told apart from what comes later.
func open(ctx context.Context, c *console, dsn string) (*sql.DB, error) {
	c.hide(dsn)
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		var bad *url.Error
		if errors.As(err, &bad) { // it would repeat the whole address
			err = bad.Err
		}
		return nil, fmt.Errorf("read the DSN: %w", err)
	}
	if cfg.Password != "" {
		c.hide("password=" + cfg.Password)
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "phased"
	}
	db := stdlib.OpenDB(*cfg)
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
)

// hide remembers what must not be printed of a DSN: its password, as it stands and
// as it reads, also where the rest of the DSN cannot be read.
func (c *console) hide(dsn string) {
	for _, re := range []*regexp.Regexp{inURL, inQuery, inKeywords} {
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
