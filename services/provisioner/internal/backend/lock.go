package backend

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// maxInfo is the largest description of a lock, in bytes; maxWord the longest
// text in it that is kept.
const (
	maxInfo = 64 << 10
	maxWord = 200
)

// lockInfo is how the engines describe a lock.
type lockInfo struct {
	ID        string
	Operation string
	Info      string
	Who       string
	Version   string
	Created   time.Time
	Path      string
}

func (b *Backend) lock(w http.ResponseWriter, r *http.Request, g Grant) error {
	info, err := readInfo(w, r)
	if err != nil {
		return err
	}
	if info.ID == "" || len(info.ID) > maxWord {
		return refuse(http.StatusBadRequest, "a lock needs an ID of at most %d characters", maxWord)
	}
	_, err = b.c.Stacks.Lock(r.Context(), g.Stack, stack.Lock{
		Run: g.Run, ID: info.ID, Operation: operation(info.Operation), Who: word(info.Who),
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// unlock takes an empty body too: what an engine's own force-unlock sends.
// Then it is whichever lock the run has.
func (b *Backend) unlock(w http.ResponseWriter, r *http.Request, g Grant) error {
	info, err := readInfo(w, r)
	if err != nil {
		return err
	}
	if err := b.c.Stacks.Unlock(r.Context(), g.Stack, g.Run, info.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func readInfo(w http.ResponseWriter, r *http.Request) (lockInfo, error) {
	var info lockInfo
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxInfo))
	if err != nil {
		return info, refuse(http.StatusBadRequest, "the lock's description did not arrive whole, or has more than %d KiB", maxInfo>>10)
	}
	if len(raw) > 0 && json.Unmarshal(raw, &info) != nil {
		return info, refuse(http.StatusBadRequest, "the lock's description is not what engines send")
	}
	return info, nil
}

// answerHolder is 423. Engines show people little of it: OpenTofu the whole
// description, Terraform the ID alone. So the ID is the sentence.
func answerHolder(w http.ResponseWriter, e *stack.LockedError) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusLocked)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(lockInfo{
		ID: e.Lock.ID + ": " + e.Error(), Operation: e.Lock.Operation, Info: e.Error(), Who: "run " + e.Lock.Run,
		Created: e.Lock.At, Path: e.Stack,
	})
}

// operation is what people call it: OperationTypeApply is apply.
func operation(text string) string {
	return word(strings.ToLower(strings.TrimPrefix(text, "OperationType")))
}

// word is a text of an engine, or of whoever has its token, fit to be shown.
func word(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(clean) > maxWord {
		clean = strings.ToValidUTF8(clean[:maxWord], "")
	}
	return clean
}
