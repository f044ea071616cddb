package sagaapi

import (
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga"
)

// keepAlive is how often a quiet stream says that it is still there.
const keepAlive = 15 * time.Second

// follow streams a saga: "operation" with the whole first, "step" for every
// step that reads differently than before, "failure" with the whole when it
// turns back, and "end" with the whole when nothing more happens by itself
// (done, undone or parked). A failure comes before the steps that it undoes.
func (c Config) follow(w http.ResponseWriter, r *http.Request, id string) {
	changed, stop := c.Runner.Watch(id)
	defer stop()
	v, err := c.Runner.Get(r.Context(), id)
	if err != nil {
		httpapi.Write(w, r, notFound(err, id))
		return
	}
	stream, err := httpapi.NewStream(w)
	if err != nil {
		return
	}
	now := c.view(v, false)
	if stream.Send("", "operation", now) != nil {
		return
	}
	seen, failed := map[string]Step{}, false
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		if now.Failure != nil && !failed {
			failed = true
			if stream.Send("", "failure", now) != nil {
				return
			}
		}
		for _, st := range now.Steps {
			if before, ok := seen[st.ID]; ok && same(before, st) || !ok && st.Status == saga.StepPending {
				continue
			}
			seen[st.ID] = st
			if stream.Send("", "step", st) != nil {
				return
			}
		}
		if now.Status.Over() || now.Status == saga.Parked {
			_ = stream.Send("", "end", now)
			return
		}
		select {
		case <-changed:
		case <-alive.C:
			if stream.Comment("still "+string(now.Status)) != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
		if v, err = c.Runner.Get(r.Context(), id); err != nil {
			return // the client asks again and is told
		}
		now = c.view(v, false)
	}
}
