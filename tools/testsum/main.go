// Command testsum runs `go test -json` with the arguments it is given and
// retells it: a line per package as it ends, the output of what failed, and
// one closing line, "N passed, N failed". Its exit status is 0 only if go test
// ended well and nothing failed.
//
//	testsum [go test flags] [packages]
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, out, errs io.Writer) int {
	began := time.Now()
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = errs
	stream, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(errs, "testsum:", err)
		return 1
	}
	s := newSummary(out)
	readErr := s.read(stream)
	waitErr := cmd.Wait()
	if readErr != nil {
		fmt.Fprintln(errs, "testsum:", readErr)
	}
	return s.close(time.Since(began), readErr == nil && waitErr == nil)
}
