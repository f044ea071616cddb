package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/provisioner/internal/run"
)

// LogOffsetHeader says, after a piece of a run's log, where the next one
// begins; LogOverHeader whether there will be one.
const (
	LogOffsetHeader = "Slipway-Log-Offset"
	LogOverHeader   = "Slipway-Log-Over"
)

// lookAgain is how often a log is looked at that nobody in this process says
// anything of; a sign of life is sent as often as the other says.
const (
	lookAgain = time.Second
	stillHere = 15 * time.Second
)

// LogPiece is one event of a followed log.
type LogPiece struct {
	Text string `json:"text"`
}

// getRunLog answers what is there of a log from an offset on, as text; to whom
// wants server-sent events, also what comes until the run is over.
func (a *API) getRunLog(w http.ResponseWriter, r *http.Request) error {
	found, err := a.runOf(r)
	if err != nil {
		return err
	}
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("offset")
	}
	var offset int64
	if text != "" {
		if offset, err = strconv.ParseInt(text, 10, 64); err != nil || offset < 0 {
			return httpapi.BadRequest(fmt.Sprintf("offset=%s is no number of bytes.", text))
		}
	}
	if httpapi.WantsStream(r) {
		return a.streamRunLog(w, r, found.ID, offset)
	}
	var all []byte
	over := false
	for {
		piece, next, done, err := a.Runs.Log(r.Context(), found.ID, offset)
		if err != nil {
			return err
		}
		over = done
		if len(piece) == 0 {
			break
		}
		all, offset = append(all, piece...), next
		if over {
			break
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff") // somebody's code wrote it
	w.Header().Set(LogOffsetHeader, strconv.FormatInt(offset, 10))
	w.Header().Set(LogOverHeader, strconv.FormatBool(over))
	_, _ = w.Write(all)
	return nil
}

// streamRunLog sends a log as it is written. The id of each event is where the
// next one begins, so a stream that broke goes on where it was.
func (a *API) streamRunLog(w http.ResponseWriter, r *http.Request, id string, offset int64) error {
	changed, stop := a.Runs.Watch(id)
	defer stop()
	if _, _, _, err := a.Runs.Log(r.Context(), id, offset); err != nil {
		return err // as a problem, while there is still an answer to give
	}
	stream, err := httpapi.NewStream(w)
	if err != nil {
		return err
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	alive := time.NewTicker(stillHere)
	defer alive.Stop()
	var told run.Status
	for {
		if now, err := a.Runs.Get(r.Context(), id); err == nil && now.Status != told && !now.Status.Over() {
			told = now.Status
			if stream.Send("", "run", showListed(now)) != nil {
				return nil
			}
		}
		piece, next, over, err := a.Runs.Log(r.Context(), id, offset)
		if err != nil {
			return nil // it can only end: the client asks again and is told
		}
		if cut := whole(piece); cut < len(piece) && !over {
			piece, next = piece[:cut], next-int64(len(piece)-cut)
		}
		if len(piece) > 0 {
			offset = next
			if stream.Send(strconv.FormatInt(offset, 10), "log", LogPiece{Text: string(piece)}) != nil {
				return nil
			}
			continue
		}
		if over {
			found, err := a.Runs.Get(r.Context(), id)
			if err == nil {
				_ = stream.Send("", "end", showRun(found))
			}
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-changed:
		case <-tick.C:
		case <-alive.C:
			if stream.Comment("still here") != nil {
				return nil
			}
		}
	}
}

// whole is how much of a piece are whole characters: a piece may end within one.
func whole(piece []byte) int {
	for cut := len(piece); cut > 0 && len(piece)-cut < utf8.UTFMax; cut-- {
		if r, n := utf8.DecodeLastRune(piece[:cut]); r != utf8.RuneError || n > 1 {
			return cut
		}
	}
	return len(piece)
}
