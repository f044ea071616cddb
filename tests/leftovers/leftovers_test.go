package leftovers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// listener is what the child does: it listens, says where and waits.
const listener = "listen"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			os.Exit(1)
		}
		fmt.Println(l.Addr())
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent lets go
		return
	}
	os.Exit(m.Run())
}

func TestTake_ProcessPortAndFileAppearAndGo_EachIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := Take(t, dir, 0)
	require.Empty(t, before.Processes)

	child := exec.Command(os.Args[0], listener)
	child.Env = append(os.Environ(), "DATA="+filepath.Join(dir, "here")) // by its environment alone
	in, err := child.StdinPipe()
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "deployer"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "store"), 0o700))

	lines := Difference(before, Take(t, dir, 0))
	require.Len(t, lines, 3, lines)
	require.True(t, strings.HasPrefix(lines[0], fmt.Sprintf("+ process %d@", child.Process.Pid)), lines)
	require.Equal(t, "+ port "+strings.TrimSpace(address), lines[1])
	require.Equal(t, "+ file deployer", lines[2], "and not the store, which is bookkeeping")
	require.Empty(t, Difference(before, Take(t, dir, child.Process.Pid), "+ file deployer"), "up itself does not count")

	require.NoError(t, in.Close())
	require.NoError(t, child.Wait())
	require.NoError(t, os.Remove(filepath.Join(dir, "deployer")))
	RequireSame(t, before, func() Look { return Take(t, dir, 0) }, 5*time.Second)
}

func TestDifference_SomethingIsGone_IsSaid(t *testing.T) {
	t.Parallel()
	before := Look{Contents: map[string]bool{"key of redis a: x": true}}
	require.Equal(t, []string{"- content key of redis a: x"}, Difference(before, Look{}))
}
