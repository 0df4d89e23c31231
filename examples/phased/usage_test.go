package main

import (
	"strings"
	"testing"
)

func TestBadUsageEndsWithTwo(t *testing.T) {
	t.Parallel()
	e := &env{t: t, dir: t.TempDir()}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no verb", nil, "Usage: phased VERB"},
		{"unknown verb", args("lint"), `there is no verb "lint"`},
		{"unknown flag", args("status", "-nope"), "flag provided but not defined"},
		{"no database", args("status"), "give -dsn, or set PHASED_DSN or DATABASE_URL"},
		{"too many arguments", args("rollback", "a", "b"), "it takes NAME"},
		{"too few arguments", args("baseline", "dir"), "it takes DIR and NAME"},
		{"two sources of facts", args("plan", "-dsn", "x", "-schema", "y", "."), "give one"},
		{"unknown dialect", args("plan", "-dialect", "oracle", "."), "it is postgres, mysql or mariadb"},
		{"a dialect that the DSN is not of", args("status", "-dialect", "mysql", "-dsn", "postgres://127.0.0.1:1/x"), "-dialect mysql, but the DSN is one of PostgreSQL"},
		{"unknown format", args("plan", "-format", "xml", "."), "it is sql or json"},
		{"no path", args("plan"), "which files?"},
		{"no .sql file", args("plan", "main.go"), "neither a directory nor a .sql file"},
		{"a directory without files", args("plan", e.dir), "holds no .sql file"},
		{"no workers", args("backfill", "-workers", "0"), "from 1 to 32"},
		{"a soak that is none", args("contract", "-soak", "soon", "."), "invalid value"},
		{"an assumption without a reason", args("contract", "-assume-gone", " ", "."), "a reason"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := e.run(c.args...)
			if r.code != 2 || !strings.Contains(r.err, c.want) || r.out != "" {
				t.Errorf("want exit code 2, %q on standard error and nothing on standard output\n%s", c.want, r)
			}
		})
	}
}

func TestHelpNamesEveryVerbAndFlag(t *testing.T) {
	t.Parallel()
	e := &env{t: t, dir: t.TempDir()}
	r := e.ok(args("help"))
	for _, cmd := range commands() {
		if !strings.Contains(r.out, "\n  "+cmd.name+" ") {
			t.Errorf("%s is not listed\n%s", cmd.name, r)
		}
		e.ok(args("help", cmd.name), "phased "+cmd.name, cmd.short[:0], "Flags:\n")
		e.ok(args(cmd.name, "-h"), "phased "+cmd.name)
	}
}

func TestPasswordIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	e := &env{t: t, dir: t.TempDir()}
	for _, dsn := range []string{
		"postgres://somebody:" + secret + "@127.0.0.1:1/nothing?connect_timeout=1",
		"postgres://somebody:" + secret + "@127.0.0.1:port/nothing",
		"postgres://somebody:" + secret + " @127.0.0.1/nothing",
		"postgres://somebody:" + secret + "%zz@127.0.0.1/nothing",
		"postgres://127.0.0.1:1/nothing?user=u&password=" + secret,
		"host=127.0.0.1 port=1 password=" + secret + " dbname=nothing",
		"host=127.0.0.1 port=one password='" + secret + "' dbname=nothing",
		"host=127.0.0.1 port=1 password='" + secret,
		"mysql://somebody:" + secret + "@127.0.0.1:1/nothing",
		"mariadb://somebody:" + secret + "@127.0.0.1:port/nothing",
		"somebody:" + secret + "@tcp(127.0.0.1:1)/nothing",
		"somebody:" + secret + "@tcp(127.0.0.1:1/nothing",
		"somebody:" + secret + "@tcp(127.0.0.1:1)/nothing?timeout=x",
		"somebody:" + secret + "@/",
	} {
		if r := e.want(1, args("status", "-dsn", dsn), "phased status: "); strings.Contains(r.out+r.err, secret) {
			t.Errorf("the password is printed\n%s", r)
		}
	}
}

// Whatever repeats a password later on, in whatever form, it is masked.
func TestPasswordIsMaskedInEveryForm(t *testing.T) {
	t.Parallel()
	for dsn, secrets := range map[string][]string{
		"postgres://u:p%40ss%2Fword@host/db":         {"p%40ss%2Fword", "p@ss/word"},
		"postgres://u:sec:ret@host/db":               {"sec:ret"},
		"postgresql://host/db?user=u&password=s%20t": {"s%20t", "s t"},
		"host=h password=secret dbname=d":            {"secret"},
		"password = 'sec ret' host=h":                {"sec ret"},
		`host=h password='it\'s'`:                    {`it\'s`, "it's"},
		"mysql://u:p%40ss@host/db":                   {"p%40ss", "p@ss"},
		"u:se@c/r:et@tcp(h:1)/db":                    {"se@c/r:et"},
	} {
		c := &console{}
		c.hide(dsn)
		for _, secret := range secrets {
			if got := c.masked(badUsage("somebody says (%s) aloud", secret)); strings.Contains(got, secret) {
				t.Errorf("%s: %q is not masked: %s", dsn, secret, got)
			}
		}
	}
}

func TestFlagsMayFollowArguments(t *testing.T) {
	t.Parallel()
	e := &env{t: t, dir: t.TempDir()}
	e.want(1, args("rollback", "0001_users", "-dsn", "host=127.0.0.1 port=1 connect_timeout=1"), "connect: ")
}
