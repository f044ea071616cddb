package supervise

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// tailLines is how many last lines are kept for explaining a failure.
const tailLines = 20

// maxLine is where an endless line is cut, bytes.
const maxLine = 16 << 10

// CurrentLog is the newest log file's name; older ones are 1.log, 2.log ….
const CurrentLog = "current.log"

// logbook keeps the lines of a workload: timestamp, stream, text. A disk that
// is full loses lines and never stops the workload.
type logbook struct {
	dir      string
	max      int64
	files    int
	mask     *strings.Replacer
	clock    func() time.Time
	mu       sync.Mutex
	f        *os.File
	size     int64
	tail     []string
	lost     int
	sections sync.WaitGroup
}

func openLogbook(j Job, clock func() time.Time) (*logbook, error) {
	if err := os.MkdirAll(j.LogDir, 0o700); err != nil {
		return nil, err
	}
	l := &logbook{dir: j.LogDir, max: j.LogMax, files: j.LogFiles, clock: clock}
	var pairs []string
	for _, secret := range j.Mask {
		// A short secret would blot out half of every line and protect nothing.
		if len(secret) >= 4 {
			pairs = append(pairs, secret, "***")
		}
	}
	l.mask = strings.NewReplacer(pairs...)
	return l, l.open()
}

func (l *logbook) open() error {
	f, err := os.OpenFile(filepath.Join(l.dir, CurrentLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	l.f, l.size = f, info.Size()
	return nil
}

// read takes lines from a pipe until its end.
func (l *logbook) read(stream string, r io.ReadCloser) {
	l.sections.Add(1)
	go func() {
		defer l.sections.Done()
		defer r.Close()
		in := bufio.NewReaderSize(r, maxLine)
		for {
			line, err := in.ReadSlice('\n')
			if len(line) > 0 {
				l.add(stream, strings.TrimRight(string(line), "\r\n"))
			}
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return
			}
		}
	}()
}

func (l *logbook) add(stream, text string) {
	text = l.mask.Replace(strings.ToValidUTF8(text, "\uFFFD"))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, text)
	if len(l.tail) > tailLines {
		l.tail = l.tail[1:]
	}
	line := l.clock().UTC().Format("2006-01-02T15:04:05.000Z") + " " + stream + " " + text + "\n"
	if l.size+int64(len(line)) > l.max && l.size > 0 {
		l.rotate()
	}
	if l.f == nil && l.open() != nil {
		l.lost++
		return
	}
	n, err := l.f.WriteString(line)
	l.size += int64(n)
	if err != nil {
		l.lost++
	}
}

func (l *logbook) rotate() {
	if l.f != nil {
		l.f.Close()
		l.f = nil
	}
	for i := l.files - 1; i > 1; i-- {
		_ = os.Rename(l.numbered(i-1), l.numbered(i)) // none there yet
	}
	_ = os.Rename(filepath.Join(l.dir, CurrentLog), l.numbered(1))
	l.size = 0
}

func (l *logbook) numbered(i int) string { return filepath.Join(l.dir, fmt.Sprintf("%d.log", i)) }

// lastLines waits a moment for what the ended process had still written.
func (l *logbook) lastLines(patience time.Duration) []string {
	done := make(chan struct{})
	go func() { l.sections.Wait(); close(done) }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C: // something it started keeps the pipe open
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.tail...)
}
