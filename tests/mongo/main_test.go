package mongo

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// servers are what the tests run against; found once, before the first test.
var servers []server

// said is what the run has to say at its end, whether it passes or not: against
// what it ran, and what was not run.
var said struct {
	sync.Mutex
	lines []string
}

func say(format string, args ...any) {
	said.Lock()
	defer said.Unlock()
	said.lines = append(said.lines, fmt.Sprintf(format, args...))
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ferret, stop, err := startFerretDB()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FerretDB:", err)
		return 1
	}
	defer stop()
	servers = append(servers, ferret)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	real, stopReal, why, err := findMongoDB(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "MongoDB:", err)
		return 1
	}
	if why == "" {
		defer stopReal()
		servers = append(servers, real)
	}
	code := m.Run()
	fmt.Println()
	for _, s := range servers {
		fmt.Println("ran against:", s.name)
	}
	if why != "" {
		fmt.Println("not run against MongoDB:", why)
	}
	for _, line := range said.lines {
		fmt.Println(line)
	}
	return code
}
