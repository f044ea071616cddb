package supervise

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLogbook_ManyLines_AreKeptInBoundedFilesWithTimeAndStream(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	l, err := openLogbook(Job{LogDir: dir, LogMax: 500, LogFiles: 3, Mask: []string{"s3cret", "abc"}}, func() time.Time { return now })
	require.NoError(t, err)
	for range 100 {
		l.add("stdout", "the password is s3cret, abc is too short to hide")
	}
	l.read("stderr", io.NopCloser(strings.NewReader("last\r\nwithout end")))
	tail := l.lastLines(5 * time.Second)
	require.Len(t, tail, tailLines)
	require.Equal(t, []string{"last", "without end"}, tail[len(tail)-2:])
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		require.LessOrEqual(t, len(b), 500)
		require.NotContains(t, string(b), "s3cret")
	}
	b, err := os.ReadFile(filepath.Join(dir, CurrentLog))
	require.NoError(t, err)
	require.Contains(t, string(b), "2026-11-22T12:00:00.000Z stderr last\n")
}

func TestLogbook_EndlessLine_IsCutAndNothingHangs(t *testing.T) {
	t.Parallel()
	l, err := openLogbook(Job{LogDir: t.TempDir(), LogMax: 1 << 20, LogFiles: 2}, time.Now)
	require.NoError(t, err)
	l.read("stdout", io.NopCloser(strings.NewReader(strings.Repeat("x", 3*maxLine+1)+"\n")))
	require.Len(t, l.lastLines(5*time.Second), 4)
}

func TestStatus_UnreadableFile_IsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.json")
	_, told, err := ReadStatus(path)
	require.NoError(t, err)
	require.False(t, told)
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, _, err = ReadStatus(path)
	require.ErrorContains(t, err, path)
}
