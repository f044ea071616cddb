package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/mongodb"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
)

const (
	sqlitePrefix = "sqlite:"
	// storePause is the wait before a server that did not answer is asked again,
	// growing to storeLongest.
	storePause   = 500 * time.Millisecond
	storeLongest = 10 * time.Second
)

func isMongoDB(dsn string) bool { return strings.HasPrefix(dsn, "mongodb") }

func checkStore(dsn string) error {
	if isMongoDB(dsn) {
		return mongodb.CheckURL(dsn)
	}
	if !strings.HasPrefix(dsn, sqlitePrefix) {
		return fmt.Errorf("%q is not a store this build knows; use sqlite:DIR or mongodb://HOST[,HOST…][/PREFIX][?OPTIONS]", dsn)
	}
	return nil
}

func showStore(dsn string) string {
	if isMongoDB(dsn) {
		return mongodb.ShowURL(dsn)
	}
	return dsn
}

// OpenStore opens the store of one service: sqlite:DIR is a file per service in
// the folder, mongodb://… a database per service. A MongoDB that does not
// answer is asked again until ctx ends, with a line in the log each time; one
// that answers and cannot be used is an error at once.
func OpenStore(ctx context.Context, dsn, service string, log zerolog.Logger) (store.Store, error) {
	if !isMongoDB(dsn) {
		dir := strings.TrimPrefix(dsn, sqlitePrefix)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("the store's folder: %w", err)
		}
		return sqlite.Open(ctx, filepath.Join(dir, service+".db"), sqlite.Options{})
	}
	for pause := storePause; ; pause = min(2*pause, storeLongest) {
		s, err := mongodb.Open(ctx, dsn, service, mongodb.Options{Log: log})
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, store.ErrUnavailable) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("stopped while waiting for the store: %w", err)
		}
		log.Warn().Err(err).Dur("again_in", pause).Msg("the store does not answer; this service begins once it does")
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("stopped while waiting for the store: %w", err)
		case <-time.After(pause):
		}
	}
}
