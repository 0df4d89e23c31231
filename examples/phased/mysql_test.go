package main

import (
	"net/url"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/expand/plan"
)

// onBoth runs a test on MariaDB, and on MySQL where there is one.
func onBoth(t *testing.T, test func(*env)) {
	t.Parallel()
	for _, d := range []plan.Dialect{plan.DialectMariaDB, plan.DialectMySQL} {
		if d == plan.DialectMySQL && !scratch.Available(d) {
			t.Log("there is no MySQL on this machine")
			continue
		}
		t.Run(string(d), func(t *testing.T) { test(newEnvOn(t, d)) })
	}
}

const (
	createUsersOfMySQL = "CREATE TABLE users (id bigint AUTO_INCREMENT PRIMARY KEY, email varchar(100), # an address\n  n int);\n"
	backAndForth       = "-- phased:up   users.email_address = lower(email)\n-- phased:down users.email = email_address\n" + renameEmail
)

// url is the database's address as a URL.
func (e *env) url(scheme string) string {
	e.t.Helper()
	cfg, err := driver.ParseDSN(e.db.DSN)
	if err != nil {
		e.t.Fatal(err)
	}
	u := url.URL{Scheme: scheme, User: url.UserPassword(cfg.User, cfg.Passwd), Host: cfg.Addr, Path: "/" + cfg.DBName}
	if cfg.Net == "unix" {
		u.Host, u.RawQuery = "", "socket="+url.QueryEscape(cfg.Addr)
	}
	return u.String()
}

func TestRenameLifeOfMySQL(t *testing.T) {
	onBoth(t, func(e *env) {
		e.write("0001_users.sql", createUsersOfMySQL)
		e.ok(args("up", e.dir), "0001_users", "complete")
		e.exec("INSERT INTO users (email) VALUES ('One@example.com'), ('two@example.com')")
		e.write("0002_rename.sql", backAndForth)
		e.ok(args("plan", "-dialect", string(e.dialect), "-write", e.dir), "wrote")
		e.ok(args("up", "-dsn", e.url("mysql"), e.dir), "0002_rename  expanded", "next: phased backfill")
		e.ok(args("backfill"), "2 filled", "verified: 0002_rename")
		e.ok(args("status", "-dsn", e.url("mariadb")), "0002_rename  verified")
		e.want(1, args("contract", "-dry-run", "-soak", "3m", "-apps", "phased", e.dir), "0002_rename", "NOT MET")
		e.ok(args("contract", "-drop", "-assume-gone", "a test", e.dir), "0002_rename is dropped")
		var names string
		if err := e.db.DB.QueryRow("SELECT GROUP_CONCAT(email_address ORDER BY id) FROM users").Scan(&names); err != nil || names != "one@example.com,two@example.com" {
			t.Errorf("%q, %v", names, err)
		}
	})
}

func TestPlanOfMySQLAgainstALiveDatabase(t *testing.T) {
	onBoth(t, func(e *env) {
		e.exec(strings.TrimSuffix(strings.TrimSpace(createUsersOfMySQL), ";"))
		e.write("0002_rename.sql", backAndForth)
		r := e.ok(args("plan", "-dsn", e.db.DSN, e.dir), "-- migration 0002_rename\n", "== backfill", "RENAME COLUMN `email`")
		if s := e.ok(args("plan", "-dsn", e.url("mysql"), e.dir)); s.out != r.out {
			t.Errorf("the same database by its URL gives another plan\n%s\n%s", r, s)
		}
		e.want(1, args("plan", "-server-version", "5.7", "-dsn", e.db.DSN, e.dir), "-server-version 5.7: that database's server is "+products[e.dialect])
	})
}

func TestPlanOfMySQLFromADump(t *testing.T) {
	onBoth(t, func(e *env) {
		e.write("0001_users.sql", createUsersOfMySQL)
		e.write("0002_rename.sql", renameEmail)
		e.write("dump", `/*M!999999\- enable the sandbox mode */
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
CREATE DATABASE /*!32312 IF NOT EXISTS*/ `+"`somewhere`"+` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;
USE `+"`somewhere`"+`;
DROP TABLE IF EXISTS users;
CREATE TABLE users (
  id bigint(20) NOT NULL,
  email varchar(123) NOT NULL,
  n int,
  PRIMARY KEY (id)
) ENGINE=InnoDB;
DELIMITER ;;
/*!50003 CREATE*/ /*!50003 TRIGGER count_them BEFORE INSERT ON users FOR EACH ROW BEGIN
  SET NEW.n = 1;
END */;;
DELIMITER ;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
`)
		e.ok(args("plan", "-dialect", string(e.dialect), "-schema", e.dir+"/dump", e.dir+"/0002_rename.sql"), "varchar(123)", "2 lines about databases")
		e.write("broken", "CREATE TABLE a (id int);\n\nCREATE TABLE b (id nosuchtype);\n")
		e.want(1, args("plan", "-dialect", string(e.dialect), "-schema", e.dir+"/broken", e.dir+"/0002_rename.sql"), "from line 1 on: ", "nosuchtype")
	})
}

func TestPlanOfMySQLNamesFileLineAndStatement(t *testing.T) {
	t.Parallel()
	e := &env{t: t, dir: t.TempDir()}
	e.write("0001_users.sql", createUsersOfMySQL+"\nALTER TABEL users;\n")
	e.write("0002_kind.sql", "ALTER TABLE users MODIFY email text;\n")
	e.want(1, args("plan", "-dialect", "mysql", e.dir), "0001_users.sql:4: statement 2: unreadable", "0002_kind.sql:1: statement 1: ")
}
