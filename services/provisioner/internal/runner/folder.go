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

func (f folder) log() *logFile { return &logFile{path: f.path(FileLog)} }

// logFile is what people see, line by line. What cannot be written is not worth
// a run: it is left out.
type logFile struct {
	path string
	mu   sync.Mutex
	file *os.File
	full bool
}

// line adds text, which ends with a line feed or is none.
func (l *logFile) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text == "" || l.full {
		return
	}
	if l.file == nil {
		f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			l.full = true
			return
		}
		l.file = f
	}
	if _, err := io.WriteString(l.file, text); err != nil {
		l.full = true // the limit of a file's size, or no space
	}
}

func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
