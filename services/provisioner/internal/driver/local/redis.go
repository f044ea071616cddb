package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// saveEvery is how much of what was written a killed Redis may lose. One that
// is stopped loses nothing.
const saveEvery = time.Second

// serveRedis is a miniredis whose clock ticks and whose data outlives it.
func serveRedis(ctx context.Context, o order, ready func(int) error) error {
	path := filepath.Join(o.data(), "dump.json")
	m := miniredis.NewMiniRedis()
	m.RequireAuth(o.Secret)
	addr, port, err := o.address()
	if err != nil {
		return err
	}
	if err := restore(m, path, time.Now()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("its data cannot be read: %w", err)
	}
	m.ClockTTL(true)
	if err := m.StartAddr(addr); err != nil {
		return err
	}
	defer m.Close()
	var written atomic.Bool
	m.Server().SetPreHook(func(_ *server.Peer, command string, _ ...string) bool {
		if !m.IsReadOnlyCommand(command) {
			written.Store(true)
		}
		return false
	})
	if err := ready(port); err != nil {
		return err
	}
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	// The hook runs before its command: a save that came in between missed
	// it, so after each interval with writes one more is saved.
	again := false
	for {
		select {
		case <-ctx.Done():
			m.Server().Close() // no write is accepted that would not be saved
			return save(m, path, time.Now())
		case <-tick.C:
			now := written.Swap(false)
			if now || again {
				if err := save(m, path, time.Now()); err != nil {
					fmt.Fprintln(os.Stderr, "cannot save:", err) // full for now, perhaps; tried again
					now = true
				}
			}
			again = now
		}
	}
}
