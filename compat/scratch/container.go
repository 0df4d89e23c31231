package scratch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// dockerLimit is how long a container host may take to answer before it counts as absent.
const dockerLimit = 5 * time.Second

// startContainer starts a server of our own in a container.
func startContainer(ctx context.Context, cfg Config) (*Server, error) {
	if err := askDocker(ctx); err != nil {
		return nil, &absentError{"no container host answered: " + err.Error()}
	}
	b, err := newContainer(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Image, err)
	}
	dsn, err := b.ready(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", cfg.Image, err), b.close())
	}
	s, err := connect(ctx, cfg, SourceContainer, dsn, b)
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return s, nil
}

// askDocker returns nil when a container host answers in time.
func askDocker(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dockerLimit)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil { // testcontainers panics where it finds no host
				result <- fmt.Errorf("%v", r)
			}
		}()
		docker, err := testcontainers.NewDockerClientWithOpts(ctx)
		if err == nil {
			_, err = docker.Ping(ctx, client.PingOptions{})
			docker.Close()
		}
		result <- err
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// containerBackend is a server in a container of our own.
type containerBackend struct {
	product  product
	c        testcontainers.Container
	port     string
	password string
}

func newContainer(ctx context.Context, cfg Config) (*containerBackend, error) {
	b := &containerBackend{product: cfg.product, password: random()} // published ports may be open to the network
	image := cfg.product.image(cfg, b.password)
	b.port = image.port
	c, err := testcontainers.Run(ctx, cfg.Image,
		testcontainers.WithLogger(containerLog{cfg.Log}),
		testcontainers.WithEnv(image.env),
		testcontainers.WithExposedPorts(image.port),
		testcontainers.WithCmd(image.cmd...),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
			h.ShmSize = 256 << 20 // parallel queries share memory there; 64 MB is the usual limit
		}),
	)
	if c != nil {
		b.c = c
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// ready returns the server's DSN once it accepts connections. The image's first start, which makes the data folder,
// listens on a socket only: whoever answers on the port is the final server.
func (b *containerBackend) ready(ctx context.Context) (string, error) {
	for {
		dsn, err := b.dsn(ctx)
		if err == nil {
			err = ping(ctx, b.product, dsn)
		}
		if err == nil {
			return dsn, nil
		}
		if state, serr := b.c.State(ctx); serr == nil && !state.Running {
			return "", fmt.Errorf("container ended with code %d: %s", state.ExitCode, b.logs(ctx))
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for server: %w: %w", ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// dsn is an error for a container that has ended: it has no ports any more.
func (b *containerBackend) dsn(ctx context.Context) (string, error) {
	host, err := b.c.Host(ctx)
	if err != nil {
		return "", err
	}
	port, err := b.c.MappedPort(ctx, b.port)
	if err != nil {
		return "", err
	}
	return b.product.imageDSN(host, port.Port(), b.password), nil
}

func ping(ctx context.Context, p product, dsn string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	db, err := p.open(dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.PingContext(ctx)
}

func (b *containerBackend) logs(ctx context.Context) string {
	r, err := b.c.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	text, _ := io.ReadAll(io.LimitReader(r, 64<<10))
	return tail(text)
}

func (b *containerBackend) close() error {
	if b.c == nil {
		return nil
	}
	return testcontainers.TerminateContainer(b.c, testcontainers.StopTimeout(0))
}

// containerLog hands testcontainers' messages on.
type containerLog struct{ log *slog.Logger }

func (l containerLog) Printf(format string, args ...any) {
	l.log.Debug("testcontainers", "message", fmt.Sprintf(format, args...))
}
