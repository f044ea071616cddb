// Command program is a workload for tests that behaves, or misbehaves, as
// MODE says. It needs no resources.
//
//	serve      listens on PORT and answers with VERSION
//	exit       says why and ends at once
//	silent     runs and never listens
//	elsewhere  listens on another port than it was given
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	switch mode := os.Getenv("MODE"); mode {
	case "exit":
		fmt.Fprintln(os.Stderr, "reading the settings")
		fmt.Fprintln(os.Stderr, "fatal: DATABASE_URL is not set")
		os.Exit(3)
	case "silent":
		fmt.Fprintln(os.Stderr, "warming up, for ever")
	case "elsewhere":
		serve("127.0.0.1:0")
	default:
		serve(net.JoinHostPort("127.0.0.1", os.Getenv("PORT")))
	}
	<-stop
}

func serve(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		fail(err)
	}
	fmt.Fprintln(os.Stderr, "listening on", l.Addr())
	go func() {
		fail(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"version":%q}`, os.Getenv("VERSION"))
		})))
	}()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
