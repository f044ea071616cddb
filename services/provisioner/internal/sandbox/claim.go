package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/slipway-idp/slipway/libs/process"
)

// claim makes sure that no other platform of this machine uses a user id:
// whoever ends all processes of a user must be the only one that starts any.
// The claim lasts until the machine is started again, or what the other
// platform is known by is gone and none of its processes is left.
func (s *Sandbox) claim(uid int) error {
	if !s.c.Root {
		return nil
	}
	if uid < 1000 {
		return fmt.Errorf("user id %d cannot be a stack's: it may be somebody else's; the range of the provisioner's user ids begins too low", uid)
	}
	if err := own(s.c.Claims, 0o700); err != nil {
		return fmt.Errorf("user ids in use: %w", err)
	}
	path := filepath.Join(s.c.Claims, strconv.Itoa(uid))
	mine := path + ".of-" + strconv.Itoa(os.Getpid())
	if err := os.WriteFile(mine, []byte(s.c.Owner+"\n"), 0o600); err != nil {
		return fmt.Errorf("user ids in use: %w", err)
	}
	defer os.Remove(mine)
	for range 10 {
		if err := os.Link(mine, path); err == nil || !errors.Is(err, fs.ErrExist) {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("user ids in use: %w", err)
		}
		other := strings.TrimSuffix(string(b), "\n")
		if other == s.c.Owner {
			return nil
		}
		_, err = os.Lstat(other)
		left, ofErr := process.Of(uid)
		if ofErr != nil {
			return ofErr
		}
		if !errors.Is(err, fs.ErrNotExist) || len(left) > 0 {
			return fmt.Errorf("user id %d is in use by another Slipway on this machine, that of %s: give one of the two another range of user ids", uid, other)
		}
		if err := remove(path); err != nil {
			return fmt.Errorf("user ids in use: %w", err)
		}
	}
	return fmt.Errorf("user id %d is claimed by others again and again", uid)
}
