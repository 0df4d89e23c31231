package scratch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
)

// startBinaries starts a server of our own from installed binaries.
func startBinaries(ctx context.Context, cfg Config) (*Server, error) {
	if runtime.GOOS == "windows" {
		return nil, &absentError{"binaries are not started on Windows"}
	}
	bin, err := cfg.product.find(ctx, cfg.BinDir)
	if err != nil {
		return nil, err
	}
	c, err := newCluster(ctx, cfg, bin)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bin, err)
	}
	s, err := connect(ctx, cfg, SourceBinaries, cfg.product.dsn(c), c)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return s, nil
}

// executable tells whether the file is there and may be run.
func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// foldersOnPath are the folders of those of the programs that PATH has, links resolved.
func foldersOnPath(programs ...string) []string {
	var dirs []string
	for _, name := range programs {
		if p, err := exec.LookPath(name); err == nil {
			if p, err = filepath.EvalSymlinks(p); err == nil {
				dirs = append(dirs, filepath.Dir(p))
			}
		}
	}
	return dirs
}

// newestFirst are the folders that match the patterns, in the patterns' order, newer versions first within each.
func newestFirst(patterns ...string) []string {
	var dirs []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(pattern)
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(versionIn(b), versionIn(a)) })
		dirs = append(dirs, found...)
	}
	return dirs
}

var number = regexp.MustCompile(`\d+(\.\d+)?`)

// versionIn is the version that a folder's name carries, 0 for none.
func versionIn(dir string) float64 {
	v, _ := strconv.ParseFloat(number.FindString(dir), 64)
	return v
}
