package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// AddressError says that the server cannot listen where it should.
type AddressError struct {
	Address string
	Err     error
}

func (e *AddressError) Error() string {
	if e.Taken() {
		return fmt.Sprintf("NATS address %s is taken by another program: free it, or choose another", e.Address)
	}
	return fmt.Sprintf("NATS address %s cannot be listened on: %v", e.Address, e.Err)
}

func (e *AddressError) Unwrap() error { return e.Err }

// Taken is whether another program listens there.
func (e *AddressError) Taken() bool { return errors.Is(e.Err, syscall.EADDRINUSE) }

// DirError says that JetStream cannot keep its data in a folder.
type DirError struct {
	Dir string
	Err error
}

func (e *DirError) Error() string {
	switch {
	case e.Full():
		return fmt.Sprintf("data folder %s is full: free some space (%s at least)", e.Dir, "16 MiB")
	case errors.Is(e.Err, syscall.EROFS):
		return fmt.Sprintf("data folder %s is on a read-only file system: choose another", e.Dir)
	case errors.Is(e.Err, os.ErrPermission):
		return fmt.Sprintf("data folder %s cannot be written: give this user the right to, or choose another", e.Dir)
	}
	return fmt.Sprintf("data folder %s cannot be used: %v", e.Dir, e.Err)
}

func (e *DirError) Unwrap() error { return e.Err }

// Full is whether the file system has no room left.
func (e *DirError) Full() bool { return errors.Is(e.Err, syscall.ENOSPC) }

// room is what has to be free: less, and the next publish would be refused.
const room = 16 << 20

// checkDir makes the folder and writes to it, since permission bits say little.
func checkDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &DirError{Dir: dir, Err: err}
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return &DirError{Dir: dir, Err: err}
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, 4096))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil && free(dir) < room {
		err = syscall.ENOSPC
	}
	if err != nil {
		return &DirError{Dir: dir, Err: err}
	}
	return nil
}

// free is how many bytes the file system has for this user.
func free(dir string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return room // unknown: let the write decide
	}
	return int64(s.Bavail) * s.Bsize
}

// watchEvery is how soon JetStream comes back after the disk has room again.
const watchEvery = 2 * time.Second

// watch starts JetStream again after a full disk. The server switches it off at
// a write that fails, or leaves it on with streams that take nothing any more
// (v2.15.2), and either would stay so.
func (s *Server) watch(c Config, log *logger) {
	ctx, cancel := context.WithCancel(context.Background())
	s.stopWatch = cancel
	s.watched.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		told := false
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if s.ns.JetStreamEnabled() && !log.writeFailed.Load() {
				told = false
				continue
			}
			err := checkDir(c.Dir)
			if err == nil {
				log.writeFailed.Store(false)
				err = s.revive(c)
			}
			switch {
			case err == nil:
				c.Log.Info().Msg("JetStream is back")
			case !told:
				c.Log.Error().Err(err).Msg("JetStream takes nothing until its folder can be written again")
				told = true
			}
		}
	})
}

// revive reads the folder anew: what was acknowledged is there.
func (s *Server) revive(c Config) error {
	if err := s.ns.ShutdownJetStream(); err != nil {
		return err
	}
	return s.ns.EnableJetStream(&server.JetStreamConfig{StoreDir: c.Dir, MaxStore: c.MaxStore})
}
