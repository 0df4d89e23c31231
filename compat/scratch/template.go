package scratch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// template is the archive of a data folder as it was made, kept in the user's cache folder: making MySQL's takes three
// seconds, unpacking it a fraction of one. An archive that is missing, torn or not to be had costs that time and nothing
// else. gzip's checksum tells a torn one.
type template struct{ path string } // empty where there is no cache folder

// templateOf names the archive after everything that the data folder depends on.
func templateOf(ctx context.Context, product, program string, args []string) template {
	cache, err := os.UserCacheDir()
	if err != nil || !filepath.IsAbs(cache) {
		return template{}
	}
	version, err := exec.CommandContext(ctx, program, "--no-defaults", "--version").Output()
	if err != nil {
		return template{}
	}
	info, err := os.Stat(program)
	if err != nil {
		return template{}
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %s %d %d", args, program, version, info.Size(), info.ModTime().UnixNano())
	name := strings.ToLower(product) + "-" + hex.EncodeToString(sum.Sum(nil)[:8]) + ".tar.gz"
	return template{filepath.Join(cache, "phased-scratch", name)}
}

// unpack makes the folder data in f. It returns fs.ErrNotExist where there is no archive.
func (t template) unpack(f *folder) error {
	if t.path == "" {
		return fs.ErrNotExist
	}
	archive, err := os.Open(t.path)
	if err != nil {
		return err
	}
	defer archive.Close()
	z, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	// The folder belongs to the account that runs the server, and this process may be root's: nothing that the account
	// puts there leads out of it.
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := unpackFiles(tar.NewReader(z), root, f.owner); err != nil {
		return errors.Join(err, root.RemoveAll("data"))
	}
	if _, err := io.Copy(io.Discard, z); err != nil { // up to the checksum
		return errors.Join(err, root.RemoveAll("data"))
	}
	return nil
}

func unpackFiles(files *tar.Reader, root *os.Root, owner account) error {
	for {
		h, err := files.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		mode := h.FileInfo().Mode()
		if mode.IsDir() {
			err = root.Mkdir(h.Name, mode.Perm())
		} else {
			err = unpackFile(files, root, h.Name, mode.Perm())
		}
		if err == nil {
			err = owner.ownIn(root, h.Name)
		}
		if err != nil {
			return err
		}
	}
}

// unpackFile leaves holes for blocks of zeros, of which a data folder is full: they take time and memory.
func unpackFile(r io.Reader, root *os.Root, name string, perm fs.FileMode) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	defer f.Close()
	block, zeros := make([]byte, 32<<10), make([]byte, 32<<10)
	for at := int64(0); ; {
		n, err := io.ReadFull(r, block)
		if !bytes.Equal(block[:n], zeros[:n]) {
			if _, err := f.WriteAt(block[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		switch {
		case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) && n < len(block):
			if err := f.Truncate(at); err != nil {
				return err
			}
			return f.Close()
		case err != nil:
			return err
		}
	}
}

// pack archives the folder data of f, but for the files that are one server's own.
func (t template) pack(f *folder, without ...string) (err error) {
	if t.path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(t.path), 0o700); err != nil {
		return err
	}
	archive, err := os.CreateTemp(filepath.Dir(t.path), "new-")
	if err != nil {
		return err
	}
	defer func() {
		archive.Close()
		if err != nil {
			err = errors.Join(err, os.Remove(archive.Name()))
		}
	}()
	z, err := gzip.NewWriterLevel(archive, gzip.BestSpeed)
	if err != nil {
		return err
	}
	files := tar.NewWriter(z)
	if err := packFiles(files, f.path, without); err != nil {
		return err
	}
	if err := errors.Join(files.Close(), z.Close(), archive.Close()); err != nil {
		return err
	}
	return os.Rename(archive.Name(), t.path) // whoever is the last has the same
}

func packFiles(files *tar.Writer, parent string, without []string) error {
	return fs.WalkDir(os.DirFS(parent), "data", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, w := range without {
			if name == "data/"+w {
				return nil
			}
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() && !info.IsDir() {
			return nil
		}
		h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), Typeflag: tar.TypeDir, ModTime: time.Unix(0, 0)}
		if info.IsDir() {
			return files.WriteHeader(h)
		}
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
		if err := files.WriteHeader(h); err != nil {
			return err
		}
		f, err := os.Open(filepath.Join(parent, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(files, f)
		return err
	})
}
