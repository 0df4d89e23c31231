package scratch

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

func (p mysql) programs() []string {
	if p.maria {
		return []string{"mariadbd", "mysqld"}
	}
	return []string{"mysqld"}
}

// find returns the server's program. A folder that was asked for is taken or refused, never replaced by another.
func (p mysql) find(ctx context.Context, asked string) (string, error) {
	name, program := p.traits().name, p.programs()[0]
	if asked != "" {
		dir, err := filepath.Abs(asked)
		if err != nil {
			return "", err
		}
		if path := p.program(ctx, dir); path != "" {
			return path, nil
		}
		return "", fmt.Errorf("%s holds no %s of %s", dir, program, name)
	}
	for _, dir := range append(foldersOnPath(p.programs()...), newestFirst(
		"/usr/sbin",    // Debian, Ubuntu, and the projects' own packages
		"/usr/libexec", // Fedora
		"/opt/homebrew/opt/"+strings.ToLower(name)+"*/bin",              // Homebrew
		"/usr/local/opt/"+strings.ToLower(name)+"*/bin",                 // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/"+strings.ToLower(name)+"*/bin", // Homebrew on Linux
		"/usr/local/mysql*/bin", "/usr/local/bin", "/usr/local/libexec", // archives of the projects, from source, BSD
	)...) {
		if path := p.program(ctx, dir); path != "" {
			return path, nil
		}
	}
	return "", &absentError{fmt.Sprintf("no %s of %s was found on PATH or in the usual folders", program, name)}
}

// program is the server in a folder, empty for none. Both products install a mysqld, so it is asked what it is.
func (p mysql) program(ctx context.Context, dir string) string {
	for _, name := range p.programs() {
		path := filepath.Join(dir, name)
		if !executable(path) {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "--no-defaults", "--version").Output()
		if err != nil || strings.Contains(string(out), "MariaDB") != p.maria {
			continue
		}
		if p.maria && installer(path) == "" {
			continue
		}
		return path
	}
	return ""
}

// base is the folder that the server was installed into.
func base(program string) string { return filepath.Dir(filepath.Dir(program)) }

// installer is the script that makes MariaDB's data folder, empty for none.
func installer(program string) string {
	for _, dir := range []string{filepath.Dir(program), filepath.Join(base(program), "bin"), filepath.Join(base(program), "scripts")} {
		for _, name := range []string{"mariadb-install-db", "mysql_install_db"} {
			if path := filepath.Join(dir, name); executable(path) {
				return path
			}
		}
	}
	return ""
}

// initialize makes the data folder, with an account root without password for connections from this machine.
func (p mysql) initialize(ctx context.Context, c *cluster) error {
	files := c.folder.file(filesName)
	if err := errors.Join(os.Mkdir(files, 0o700), c.folder.owner.own(files)); err != nil {
		return err
	}
	program, args := p.initializer(c.bin)
	t := templateOf(ctx, p.traits().name, c.bin, args)
	err := t.unpack(c.folder)
	if err == nil {
		return nil
	}
	c.cfg.Log.Debug("data folder is made anew", "template", t.path, "reason", err)
	if !p.maria {
		if err := os.WriteFile(c.folder.file("init.sql"), []byte(rootOverTCP), 0o644); err != nil {
			return err
		}
	}
	if out, err := c.output(c.run(ctx, program, append(args, "--datadir="+c.data())...)); err != nil {
		return fmt.Errorf("initialize: %w: %s", err, tail(out))
	}
	// auto.cnf holds the server's id among the servers of a replication.
	if err := t.pack(c.folder, "auto.cnf"); err != nil {
		c.cfg.Log.Debug("data folder is not kept as a template", "template", t.path, "reason", err)
	}
	return nil
}

// initializer is the program that makes a data folder beside init.sql, and its arguments.
func (p mysql) initializer(bin string) (string, []string) {
	args := []string{"--no-defaults", "--basedir=" + base(bin), "--innodb-flush-method=nosync", "--innodb-doublewrite=OFF"}
	if p.maria {
		return installer(bin), append(args, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
			"--innodb-log-file-size=64M")
	}
	return bin, append(args, "--initialize-insecure", "--init-file=../init.sql", "--skip-log-bin", "--secure-file-priv=",
		"--innodb-redo-log-capacity=8M")
}

// rootOverTCP is for MySQL, which makes root@localhost only, and with skip_name_resolve no address is localhost.
const rootOverTCP = "CREATE USER root@'127.0.0.1';\nGRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n" +
	"GRANT PROXY ON ''@'' TO root@'127.0.0.1' WITH GRANT OPTION;\n"

func (mysql) command(c *cluster) *exec.Cmd {
	args := slices.Concat([]string{"--no-defaults", "--datadir=" + c.data(), "--basedir=" + base(c.bin)},
		options(c.cfg), []string{
			"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(c.port), "--socket=" + c.folder.file(socketName),
			"--pid-file=" + c.folder.file(pidName), "--tmpdir=" + c.folder.path,
			"--secure-file-priv=" + c.folder.file(filesName),
		})
	return c.run(context.Background(), c.bin, args...)
}

// accepts asks on the socket, which only this server has: somebody else may listen on the port.
func (p mysql) accepts(ctx context.Context, c *cluster, _ int) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	cfg := driver.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.Logger = "root", "unix", c.folder.file(socketName), &driver.NopLogger{}
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return false
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return db.PingContext(ctx) == nil
}

func (p mysql) dsn(c *cluster) string {
	cfg := driver.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = "root", "tcp", "127.0.0.1:"+strconv.Itoa(c.port)
	return cfg.FormatDSN()
}
