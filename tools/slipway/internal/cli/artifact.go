package cli

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) artifactCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "artifact", Short: "Artifacts: immutable build outputs"}
	cmd.AddCommand(&cobra.Command{
		Use:     "push DIR NAME:VERSION",
		Short:   "Store a build output and its score.yaml under its digest",
		Example: `  slipway artifact push ./dist orders:$(git rev-parse HEAD)`,
		Args:    exactly("DIR", "NAME:VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, version, ok := strings.Cut(args[1], ":")
			if !ok || name == "" || version == "" {
				return usage(cmd, fmt.Sprintf("%q is not NAME:VERSION, such as orders:1.4.0", args[1]))
			}
			c, project, err := a.inProject(cmd.Context())
			if err != nil {
				return err
			}
			file, err := packed(args[0])
			if err != nil {
				return err
			}
			defer os.Remove(file.Name())
			defer file.Close()
			pushed, err := c.PushArtifact(cmd.Context(), project, name, version, file)
			if err != nil {
				return err
			}
			return a.show(pushed, func(w io.Writer) {
				fmt.Fprintf(w, "%s@%s\n", name, pushed.Digest)
				a.hint("Stored as %s:%s.   slipway deploy %s --env E --artifact %s:%s --wait\n", name, version, name, name, version)
			})
		},
	}, &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "The artifacts of a project",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.list(cmd.Context(), kindNamed("artifact"), nil) },
	})
	return cmd
}

// scoreFile says, at the top of an artifact, how to run it.
const scoreFile = "score.yaml"

// packed writes a folder as a gzipped tar into a file that has no name for
// long, at its beginning. The same content gives the same bytes: entries are
// sorted, and times and owners left out.
func packed(dir string) (*os.File, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, missing(dir, err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is a file; name the folder of the build output", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, scoreFile)); err != nil {
		return nil, fmt.Errorf("%s has no %s: it says how the program is run and what it needs", dir, scoreFile)
	}
	file, err := os.CreateTemp("", "slipway-artifact-*.tar.gz")
	if err != nil {
		return nil, err
	}
	err = pack(dir, file)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return file, nil
}

func pack(dir string, out io.Writer) error {
	zip := gzip.NewWriter(out)
	archive := tar.NewWriter(zip)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error { // in lexical order
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || rel == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		header := &tar.Header{Name: filepath.ToSlash(rel), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
		switch {
		case d.IsDir():
			header.Typeflag, header.Mode, header.Name = tar.TypeDir, 0o755, header.Name+"/"
			return archive.WriteHeader(header)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is neither a file nor a folder; an artifact holds nothing else, so that it stands for itself", p)
		}
		if info.Mode()&0o111 != 0 {
			header.Mode = 0o755
		}
		header.Typeflag, header.Size = tar.TypeReg, info.Size()
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		return copyFile(archive, p)
	})
	return errors.Join(err, archive.Close(), zip.Close())
}

func copyFile(to io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return err
}
