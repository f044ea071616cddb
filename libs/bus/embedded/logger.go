package embedded

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// logger passes the server's words on: its notices are details to us. A fatal
// one is kept, because it is the reason why the server does not start. That a
// write failed is remembered: the server says so in its log and nowhere else.
type logger struct {
	log         zerolog.Logger
	fatal       chan error
	writeFailed atomic.Bool
}

func newLogger(log zerolog.Logger) *logger {
	return &logger{log: log.With().Str("component", "nats-server").Logger(), fatal: make(chan error, 1)}
}

func (l *logger) Noticef(format string, v ...any) { l.log.Debug().Msgf(format, v...) }
func (l *logger) Warnf(format string, v ...any) {
	// Passwords are random and live as long as the process: nothing to hash.
	if strings.HasPrefix(format, "Plaintext passwords detected") {
		return
	}
	l.log.Warn().Msgf(format, v...)
}

func (l *logger) Errorf(format string, v ...any) {
	if strings.Contains(strings.ToLower(format), "critical write error") {
		l.writeFailed.Store(true)
	}
	l.log.Error().Msgf(format, v...)
}

func (l *logger) Debugf(format string, v ...any) { l.log.Debug().Msgf(format, v...) }
func (l *logger) Tracef(format string, v ...any) { l.log.Trace().Msgf(format, v...) }

func (l *logger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Errorf(format, v...):
	default:
	}
}
