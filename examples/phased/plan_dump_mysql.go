package main

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"

	driver "github.com/go-sql-driver/mysql"
)

// What mysqldump says about the place of a dump; it goes into a database of our own.
var otherDatabase = regexp.MustCompile(`^(USE |CREATE DATABASE )`)

// delimiterLine changes what ends a statement, for the client that reads the dump.
var delimiterLine = regexp.MustCompile(`(?i)^DELIMITER +(\S+)\s*$`)

// loadMySQLDump runs a dump in a session of its own, which may change it as it likes.
func loadMySQLDump(ctx context.Context, c *console, dsn, path, text string) error {
	cfg, err := driver.ParseDSN(dsn)
	if err != nil {
		return err
	}
	cfg.MultiStatements = true
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxOpenConns(1)
	skipped := 0
	for _, p := range dumpParts(text, &skipped) {
		if _, err := db.ExecContext(ctx, p.text); err != nil {
			return fmt.Errorf("load %s: the part from line %d on: %w", path, p.line, err)
		}
	}
	if skipped > 0 {
		fmt.Fprintf(c.err, "%s: %d lines about databases are left out\n", path, skipped)
	}
	return nil
}

// dumpPart is a text that the server reads at once.
type dumpPart struct {
	line int
	text string
}

// dumpParts cuts a dump where its delimiter changes, and at each delimiter that is not
// the server's own.
func dumpParts(text string, skipped *int) []dumpPart {
	var parts []dumpPart
	var b strings.Builder
	delimiter, start := ";", 1
	flush := func(next int) {
		if strings.TrimSpace(b.String()) != "" {
			parts = append(parts, dumpPart{start, b.String()})
		}
		b.Reset()
		start = next
	}
	for i, line := range strings.SplitAfter(text, "\n") {
		if m := delimiterLine.FindStringSubmatch(line); m != nil {
			flush(i + 2)
			delimiter = m[1]
			continue
		}
		if otherDatabase.MatchString(line) {
			*skipped++
			line = "\n"
		}
		before, ends := strings.CutSuffix(strings.TrimRight(line, " \r\n"), delimiter)
		if delimiter != ";" && ends {
			b.WriteString(before)
			flush(i + 2)
			continue
		}
		b.WriteString(line)
	}
	flush(0)
	return parts
}
