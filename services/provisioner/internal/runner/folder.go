package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// folder is the work folder. It belongs to this process's user alone.
type folder string

func openFolder(dir string) (folder, error) {
	st, err := os.Stat(filepath.Join(dir, FileModule))
	if err != nil || !st.IsDir() {
		return "", fmt.Errorf("%s is no work folder: it has no folder %s", dir, FileModule)
	}
	return folder(dir), nil
}

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

func (f folder) has(name string) bool {
	_, err := os.Stat(f.path(name))
	return err == nil
}

// copy copies a small file; one that is not there is no error.
func (f folder) copy(from, to string) error {
	b, err := os.ReadFile(f.path(from))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.write(to, b)
}

func (f folder) mkdir(name string) error {
	if err := os.Mkdir(f.path(name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// write replaces a file: after a crash it is the old or the new one.
func (f folder) write(name string, content []byte) error {
	tmp := f.path(name) + ".new"
	if err := os.WriteFile(tmp, content, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, f.path(name))
}

func (f folder) writeJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.write(name, append(b, '\n'))
}

// lineLog is what people see, line by line. What cannot be written is not worth
// a run: it is left out.
type lineLog struct {
	mu   sync.Mutex
	to   io.Writer
	full bool
}

// line adds text, which ends with a line feed or is none.
func (l *lineLog) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text == "" || l.full {
		return
	}
	if _, err := io.WriteString(l.to, text); err != nil {
		l.full = true // the limit of a file's size, or no space
	}
}
