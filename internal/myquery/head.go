package myquery

import (
	"slices"
	"strings"

	"github.com/phasedb/phased/internal/sqltext"
)

// heads are the beginnings of statements that are more than one word, or need not be
// read further.
var heads = [][]string{
	{"BEGIN", "NOT", "ATOMIC"}, {"START", "TRANSACTION"}, {"RELEASE", "SAVEPOINT"}, {"RENAME", "TABLE"}, {"RENAME", "TABLES"}, {"RENAME", "USER"},
	{"LOAD", "DATA"}, {"LOAD", "XML"}, {"LOAD", "INDEX"}, {"LOCK", "TABLES"}, {"LOCK", "TABLE"}, {"LOCK", "INSTANCE"}, {"UNLOCK", "TABLES"}, {"UNLOCK", "TABLE"}, {"UNLOCK", "INSTANCE"},
	{"ANALYZE", "TABLE"}, {"CHECK", "TABLE"}, {"CHECKSUM", "TABLE"}, {"OPTIMIZE", "TABLE"}, {"REPAIR", "TABLE"}, {"IMPORT", "TABLE"},
	{"EXECUTE", "IMMEDIATE"}, {"DROP", "PREPARE"}, {"DEALLOCATE", "PREPARE"}, {"GET", "DIAGNOSTICS"},
	{"CHANGE", "MASTER"}, {"CHANGE", "REPLICATION"}, {"START", "REPLICA"}, {"START", "SLAVE"}, {"STOP", "REPLICA"}, {"STOP", "SLAVE"},
	{"BACKUP", "STAGE"}, {"BACKUP", "LOCK"}, {"CACHE", "INDEX"}, {"INSTALL", "PLUGIN"}, {"INSTALL", "SONAME"}, {"INSTALL", "COMPONENT"},
	{"UNINSTALL", "PLUGIN"}, {"UNINSTALL", "SONAME"}, {"UNINSTALL", "COMPONENT"},
	{"BEGIN"}, {"COMMIT"}, {"ROLLBACK"}, {"SAVEPOINT"}, {"XA"}, {"SET"}, {"USE"}, {"PREPARE"}, {"EXECUTE"}, {"HANDLER"}, {"FLUSH"}, {"RESET"}, {"PURGE"},
	{"KILL"}, {"SHUTDOWN"}, {"RESTART"}, {"CLONE"}, {"BINLOG"}, {"GRANT"}, {"REVOKE"}, {"TRUNCATE"}, {"INSERT"}, {"REPLACE"}, {"UPDATE"}, {"DELETE"},
	{"SELECT"}, {"WITH"}, {"VALUES"}, {"TABLE"}, {"CALL"}, {"DO"}, {"SHOW"}, {"DESCRIBE"}, {"DESC"}, {"EXPLAIN"}, {"HELP"}, {"SIGNAL"}, {"RESIGNAL"},
}

// nouns are what CREATE, ALTER and DROP are about.
var nouns = []string{"TABLE", "TABLES", "INDEX", "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "DATABASE", "SCHEMA", "USER", "ROLE", "SEQUENCE",
	"SERVER", "TABLESPACE", "PACKAGE", "INSTANCE", "LIBRARY"}

// head names a statement by its first words, in capitals, and counts them; empty where
// they are no beginning that is known. What no server takes is told by the grammar.
func head(sql string, toks []sqltext.Token) (kind string, words int) {
	c := &cursor{sql: sql, toks: toks}
	for !c.done() && (c.toks[c.at].Kind == sqltext.ExecBegin || c.is("(")) {
		c.at++
	}
	switch verb := c.takeAny("CREATE", "ALTER", "DROP"); {
	case c.is("PREPARE") && verb == "DROP":
		c.at--
	case verb != "":
		return objectHead(c, verb)
	}
	for _, h := range heads {
		if c.take(h...) {
			return strings.Join(h, " "), c.at
		}
	}
	return "", 0
}

// objectHead reads CREATE, ALTER or DROP up to what it is about.
func objectHead(c *cursor, verb string) (string, int) {
	kind := verb
	for !c.done() {
		word := c.upper(c.at)
		switch {
		case slices.Contains(nouns, word):
			c.at++
			if word == "PACKAGE" {
				c.take("BODY")
			}
			return kind + " " + strings.Replace(strings.Replace(word, "TABLES", "TABLE", 1), "SCHEMA", "DATABASE", 1), c.at
		case c.take("OR", "REPLACE"):
			if c.is("TABLE") || c.is("SEQUENCE") || c.is("TEMPORARY") || c.is("INDEX") || c.is("UNIQUE") || c.is("FULLTEXT") || c.is("SPATIAL") {
				kind += " OR REPLACE"
			}
		case c.takeAny("TEMPORARY", "FULLTEXT", "SPATIAL") != "":
			kind += " " + word
		case c.takeAny("UNIQUE", "ONLINE", "OFFLINE", "IGNORE", "AGGREGATE") != "":
		case c.take("SQL", "SECURITY"):
			c.at++
		case c.take("ALGORITHM", "="):
			c.at++
		case c.take("DEFINER", "="):
			takeUser(c)
		case word == "" && c.toks[c.at].Kind == sqltext.ExecBegin, word == "" && c.toks[c.at].Kind == sqltext.ExecEnd:
			c.at++
		default:
			return "", 0
		}
	}
	return "", 0
}

// takeUser consumes the user of DEFINER.
func takeUser(c *cursor) {
	if c.takeAny("CURRENT_USER", "CURRENT_ROLE") != "" {
		c.take("(", ")")
		return
	}
	c.at++ // a name or a string
	if c.take("@") {
		c.at++
	}
}
