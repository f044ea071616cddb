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
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetFlags(0)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	switch mode := os.Getenv("MODE"); mode {
	case "exit":
		log.Print("reading the settings")
		log.Print("fatal: DATABASE_URL is not set")
		os.Exit(3)
	case "silent":
		log.Print("warming up, for ever")
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
		log.Fatal(err)
	}
	log.Printf("listening on %s", l.Addr())
	go func() {
		log.Fatal(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"version":%q}`, os.Getenv("VERSION"))
		})))
	}()
}
