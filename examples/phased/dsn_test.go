package main

import (
	"strings"
	"testing"

	"github.com/phasedb/phased/expand/plan"
)

func TestDialectOfADSN(t *testing.T) {
	for dsn, want := range map[string]plan.Dialect{
		"":                                      plan.DialectPostgres,
		"postgres://u:p@h:1/db?x=y":             plan.DialectPostgres,
		"postgresql:///db":                      plan.DialectPostgres,
		"host=/var/run/postgresql dbname=x":     plan.DialectPostgres,
		"host=h password='a@tcp(x)/y'":          plan.DialectPostgres,
		"x":                                     plan.DialectPostgres,
		"mysql://u:p@h:1/db":                    plan.DialectMySQL,
		"MySQL://h/db":                          plan.DialectMySQL,
		"mariadb://u@h/db":                      plan.DialectMariaDB,
		"u:p=/@x@tcp(h:3306)/db?parseTime=true": plan.DialectMySQL,
		"root@unix(/tmp/my.sock)/db":            plan.DialectMySQL,
		"tcp([::1]:3306)/db":                    plan.DialectMySQL,
		"root@/db":                              plan.DialectMySQL,
		"/db":                                   plan.DialectMySQL,
	} {
		if got, err := dialect("", dsn); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", dsn, got, err, want)
		}
	}
	for name, want := range map[string]plan.Dialect{"postgres": plan.DialectPostgres, "mysql": plan.DialectMySQL, "mariadb": plan.DialectMariaDB} {
		if got, err := dialect(name, "x"); got != want || err != nil {
			t.Errorf("-dialect %s: %s, %v", name, got, err)
		}
	}
	if got, err := dialect("mysql", "mariadb://h/db"); got != plan.DialectMySQL || err != nil {
		t.Errorf("-dialect mysql with a DSN of MariaDB: %s, %v", got, err)
	}
}

func TestMySQLAddresses(t *testing.T) {
	for dsn, want := range map[string]string{
		"u:p@tcp(h:1)/db":                                  "u:p@tcp(h:1)/db",
		"mysql://u:p%40%2F:s@h:3307/my%20db":               "u:p@/:s@tcp(h:3307)/my%20db",
		"mariadb://u@h/db?timeout=5s&charset=utf8mb4,utf8": "u@tcp(h:3306)/db?charset=utf8mb4,utf8&timeout=5s",
		"mysql:///db":                                      "tcp(127.0.0.1:3306)/db",
		"mysql://u@[::1]/db":                               "u@tcp([::1]:3306)/db",
		"mysql://u@localhost/db?socket=%2Frun%2Fmy.sock":   "u@unix(/run/my.sock)/db",
	} {
		cfg, err := mysqlConfig(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		cfg.TLS = nil
		if got := cfg.FormatDSN(); got != want {
			t.Errorf("%s\n got %s\nwant %s", dsn, got, want)
		}
	}
	// A certificate is asked for the host that was named, not for the default.
	cfg, err := mysqlConfig("mysql://u@db.example.com/db?tls=true")
	if err != nil || cfg.TLS == nil || cfg.TLS.ServerName != "db.example.com" {
		t.Errorf("%+v, %v", cfg, err)
	}
	for _, dsn := range []string{"mysql://h/", "tcp(h:1)/", "mysql://h:port/db", "mysql://h/db?timeout=x"} {
		if _, err := openMySQL(&console{}, dsn); err == nil || strings.Contains(err.Error(), "timeout=x") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

func TestMySQLDumpIsCutAtItsDelimiters(t *testing.T) {
	skipped := 0
	got := dumpParts("USE `x`;\nCREATE TABLE t (a int);\r\nCREATE TABLE u (a int);\nDELIMITER ;;\r\nCREATE TRIGGER a BEGIN\n  x;\nEND;;\nCREATE TRIGGER b\n ;;\ndelimiter ;\nSELECT 1;\n", &skipped)
	want := []dumpPart{{1, "\nCREATE TABLE t (a int);\r\nCREATE TABLE u (a int);\n"}, {5, "CREATE TRIGGER a BEGIN\n  x;\nEND"}, {8, "CREATE TRIGGER b\n "}, {11, "SELECT 1;\n"}}
	if len(got) != len(want) || skipped != 1 {
		t.Fatalf("%d parts, %d skipped: %+v", len(got), skipped, got)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("part %d: %+v, want %+v", i+1, got[i], want[i])
		}
	}
}
