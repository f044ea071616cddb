package ingress

import (
	stdlog "log"

	"github.com/rs/zerolog"
)

// silent is a logger, as net/http wants one, that says nothing: clients that
// go away are no news, and nobody bounds the log of this process.
func silent() *stdlog.Logger { return stdlog.New(zerolog.Nop(), "", 0) }
