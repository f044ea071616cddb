package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// onDisk looks for what a running orders was given where it lies: the volume
// that its bucket is in, and the key that it signs with. It checks a receipt's
// signature with the key, as somebody would who has both.
func (s *story) onDisk(orders process) {
	out := s.out
	bucket, disk := orders.env["S3_BUCKET"], ""
	for _, f := range s.machine.folders() {
		if strings.HasSuffix(f, "/buckets/"+bucket) {
			disk = f
		}
	}
	if disk == "" {
		out.fail("no folder holds the bucket %s", bucket)
		return
	}
	out.check("the bucket's objects lie on another resource, a volume whose path was handed on: %s", disk)
	at := filepath.Join(s.platform.data, disk)
	if s.engine != nil {
		at = filepath.Join(s.platform.root, disk)
		s.byScript(disk, orders)
	}
	wrong := signed(filepath.Join(at, "receipts", "01.json"), orders.env["SIGNING_KEY"])
	out.so(wrong == "", "the receipt in it is signed with the key that was handed on (computed again here)", wrong)
}

// byScript checks that volume and key are those that the modules' scripts made.
func (s *story) byScript(disk string, orders process) {
	out := s.out
	volume, _, inVolume := strings.Cut(disk, "/volume/")
	label, err := os.ReadFile(filepath.Join(s.platform.root, volume, "volume.label"))
	out.so(inVolume && strings.HasPrefix(disk, "runs/stacks/") && strings.TrimSpace(string(label)) == project+"/"+environment,
		fmt.Sprintf("that volume was made by a module's script, which labelled it %s", strings.TrimSpace(string(label))),
		fmt.Sprintf("%s is no volume that a script made and labelled: %q %v", disk, label, err))
	var keys []string
	for _, f := range s.machine.folders() {
		if strings.HasSuffix(f, "/signing.key") {
			keys = append(keys, f)
		}
	}
	if len(keys) != 1 {
		out.fail("there are %d signing keys on the disk, not one: %v", len(keys), keys)
		return
	}
	path := filepath.Join(s.platform.root, keys[0])
	text, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	out.so(err == nil && statErr == nil && len(text) == 64 && string(text) == orders.env["SIGNING_KEY"] && info.Mode().Perm() == 0o600,
		"so was the key, 32 random bytes in a file of mode 0600; orders has it, and nothing shows it",
		fmt.Sprintf("%s is not the key that orders has (%d bytes, %v, %v)", keys[0], len(text), err, statErr))
}

// signed says why a receipt is not signed with a key; "" where it is.
func signed(path, key string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	var receipt struct {
		Order                  int64
		Version, At, Signature string
	}
	if err := json.Unmarshal(raw, &receipt); err != nil {
		return err.Error()
	}
	h := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(h, "%d\n%s\n%s", receipt.Order, receipt.Version, receipt.At)
	if key == "" || hex.EncodeToString(h.Sum(nil)) != receipt.Signature {
		return "the receipt in the bucket is not signed with the key that orders has"
	}
	return ""
}

// halfMade checks that act 4's module had made something when it failed.
func (s *story) halfMade(w *watcher) {
	var made []string
	for f := range w.folders {
		if strings.HasPrefix(f, "runs/stacks/"+project+".pr-42.audit/journal") {
			made = append(made, strings.TrimPrefix(f, "runs/stacks/"))
		}
	}
	slices.Sort(made)
	s.out.so(len(made) > 1, "the third one's script failed half-way: it had made "+strings.Join(made, " and "),
		fmt.Sprintf("the third one's script never made anything: %v", made))
}
