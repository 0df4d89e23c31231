package main

import (
	"cmp"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"strings"

	driver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

func openPostgres(c *console, dsn string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if cfg.Password != "" {
		c.hide("password=" + cfg.Password)
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "phased"
	}
	return stdlib.OpenDB(*cfg), nil
}

func openMySQL(c *console, dsn string) (*sql.DB, error) {
	cfg, err := mysqlConfig(dsn)
	if err != nil {
		return nil, err
	}
	c.hideOne(cfg.Passwd)
	if cfg.DBName == "" {
		return nil, errors.New("it names no database, which decides on the tables that a migration means")
	}
	if !strings.Contains(cfg.ConnectionAttributes, "program_name") {
		cfg.ConnectionAttributes = strings.Trim(cfg.ConnectionAttributes+",program_name:phased", ",")
	}
	cfg.Logger = &driver.NopLogger{} // what breaks comes back as an error
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// mysqlConfig reads the driver's own form, and mysql://user:password@host:port/name?params.
func mysqlConfig(dsn string) (*driver.Config, error) {
	if !strings.Contains(dsn, "://") {
		return driver.ParseDSN(dsn)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, err
	}
	network, addr := "tcp", u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(cmp.Or(u.Hostname(), "127.0.0.1"), "3306")
	}
	var params []string
	for _, p := range strings.Split(u.RawQuery, "&") {
		if socket, ok := strings.CutPrefix(p, "socket="); ok { // as other clients name it
			if addr, err = url.QueryUnescape(socket); err != nil {
				return nil, err
			}
			network = "unix"
		} else if p != "" {
			params = append(params, p)
		}
	}
	name := url.PathEscape(strings.TrimPrefix(u.Path, "/"))
	cfg, err := driver.ParseDSN(network + "(" + addr + ")/" + name + "?" + strings.Join(params, "&"))
	if err != nil {
		return nil, err
	}
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	return cfg, nil
}
