package scratch

import (
	"context"
	"database/sql"
	"fmt"
	"os/exec"
	"regexp"
	"syscall"

	"github.com/phasedb/phased/expand/plan"
)

// product is everything that differs between PostgreSQL, MariaDB and MySQL.
type product interface {
	traits() traits

	// parse checks a DSN that somebody gave us and returns it in the form that the other methods read.
	// Its errors never show the DSN, which may hold a password.
	parse(dsn string) (string, error)
	host(dsn string) string
	withDatabase(dsn, name string) string
	open(dsn string) (*sql.DB, error)
	version(ctx context.Context, db *sql.DB) (int, error)

	createDatabase(ctx context.Context, s *Server, name string) error
	dropDatabase(ctx context.Context, d *Database) error

	// find returns where the server's programs are; what that means is the product's own business.
	find(ctx context.Context, asked string) (string, error)
	initialize(ctx context.Context, c *cluster) error // makes the data folder
	command(c *cluster) *exec.Cmd                     // the server, to listen on c.port
	accepts(ctx context.Context, c *cluster, pid int) bool
	dsn(c *cluster) string

	image(cfg Config, password string) image
	imageDSN(host, port, password string) string
}

// traits are the differences that are plain facts.
type traits struct {
	name     string // as people write it
	env      environment
	image    string            // default container image
	install  string            // how to get binaries
	settings map[string]string // what a scratch server is for: speed, and everything on that a schema change may meet

	settingName *regexp.Regexp
	accounts    []string // who runs the server where this process is root's: the first that exists

	stop      syscall.Signal // ends the server in order
	quit      syscall.Signal // ends it at once
	pidFile   string         // in the server's folder; its first line is the process
	sockets   string         // pattern of the server's sockets in its folder
	portTaken string         // what a server says whose port is taken
}

// environment are the variables that fill what a Config leaves out.
type environment struct{ source, dsn, bin, image string }

// image is what a container is made of besides its image.
type image struct {
	env  map[string]string
	port string
	cmd  []string
}

var products = map[plan.Dialect]product{
	plan.DialectPostgres: postgres{},
	plan.DialectMariaDB:  mysql{maria: true},
	plan.DialectMySQL:    mysql{},
}

func productOf(d plan.Dialect) (product, error) {
	p, ok := products[d]
	if !ok {
		return nil, fmt.Errorf("dialect %q is unknown: want postgres, mariadb or mysql", d)
	}
	return p, nil
}
