// Package scratch gives a test, an example or a command a PostgreSQL, MariaDB or MySQL database to work on.
//
//	func TestRename(t *testing.T) {
//		t.Parallel()
//		db := scratch.Postgres(t)
//		_, err := db.DB.ExecContext(t.Context(), `CREATE TABLE users (id bigint PRIMARY KEY, email text)`)
//		…
//	}
//
// # Where the server comes from
//
// The first of these that is there:
//
//  1. A running server whose DSN is in PHASED_POSTGRES_DSN. The role must be able to create databases.
//  2. Server binaries on this machine: the folder in PHASED_POSTGRES_BIN, else what pg_config, PATH and the usual
//     folders of packages hold, newest version first. The server runs in a temporary folder (in
//     memory where there is room; see Config.Dir), listens on 127.0.0.1 and a socket in that folder, trusts everybody
//     who reaches it, and flushes nothing to disk. Root hands it to the account postgres, else nobody, because
//     PostgreSQL refuses to be run by root.
//  3. A container, where a Docker host answers within seconds: the image in PHASED_POSTGRES_IMAGE, else [DefaultImage].
//
// PHASED_POSTGRES_SOURCE (dsn, binaries or container) allows only one of them. Where none is there, [Postgres] skips
// the test and says how to get one; where CI is set to anything but "false", the test fails.
//
// # MariaDB and MySQL
//
// [MariaDB] and [MySQL] are to their servers what [Postgres] is to PostgreSQL, and [On] takes the dialect. The sources are
// the same, with PHASED_MARIADB_ or PHASED_MYSQL_ for PHASED_POSTGRES_: _DSN in the form of github.com/go-sql-driver/mysql,
// _BIN for the folder of mariadbd (with mariadb-install-db in it, or in bin or scripts beside it) or mysqld, _IMAGE
// ([DefaultMariaDBImage], [DefaultMySQLImage]) and _SOURCE. A mysqld that is MariaDB's is not taken for MySQL.
//
// A server from binaries is what production has, but for flushes to disk: a binary log in row format, utf8mb4, UTC, and a
// performance schema in which metadata locks and statements can be read, on MariaDB too. Root hands it to the account
// mysql, else nobody. Its account root has no password and may connect from this machine. The data folder is made once
// and kept, some megabytes compressed, below phased-scratch in the user's cache folder ([os.UserCacheDir]).
//
// Many machines have no MySQL. A test that goes over all servers asks [Available], leaves MySQL out where there is none,
// and logs that; it is no reason to skip or fail.
//
// # Poolers
//
// With PHASED_POSTGRES_POOLER=pgbouncer the DSN of each database leads through a PgBouncer in transaction mode that is
// started in front of the server, and ends with it; [Database.Direct] leads past it. A client's statements outside a
// transaction are then hardly ever on the same session, prepared statements are not known, and of the parameters of a
// connection only those arrive that PgBouncer follows (application_name, client_encoding, DateStyle, TimeZone and
// standard_conforming_strings).
//
// # How it ends
//
// One process has one shared server of each dialect, started by the first call of [On] or [SharedOf] or one of the
// functions that call them. Nothing has to be called at the end, neither in TestMain nor by a deferred function: a server
// started from binaries ends with the process, also when that gets SIGKILL, and its folder is removed. A watchdog process sees to that; on Linux the kernel ends the
// server too, should the watchdog be gone. What is left all the same (the machine lost power) is removed by the next
// process that starts a server. Containers are removed by testcontainers' reaper; where that is switched off
// (TESTCONTAINERS_RYUK_DISABLED), only [Server.Close] removes them.
//
// # Faults
//
// A server of one's own ([Start], [PostgresServer], [MariaDBServer], [MySQLServer]) from binaries can be killed and
// restarted with [Server.Kill] and [Server.Restart]: commits survive, because they were handed to the operating system,
// connections do not.
package scratch
