package ingress

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Status is what an ingress says of itself.
type Status struct {
	Listen string `json:"listen"` // where it takes requests, host:port
	PID    int    `json:"pid"`
	Routes int    `json:"routes"`
}

// state is what an ingress keeps, so that one that is started again serves as
// the last one did.
type state struct {
	Listen string  `json:"listen"`
	Routes []Route `json:"routes"`
}

// control is the side that the platform speaks to.
type control struct {
	proxy  *Proxy
	path   string // of the state
	listen string

	mu sync.Mutex // one change at a time, so that file and table agree
}

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		httpapi.JSON(w, http.StatusOK, Status{Listen: c.listen, PID: os.Getpid(), Routes: len(c.proxy.table.all())})
	})
	mux.HandleFunc("GET /inflight", func(w http.ResponseWriter, _ *http.Request) {
		httpapi.JSON(w, http.StatusOK, c.proxy.table.inFlight())
	})
	mux.HandleFunc("GET /routes", func(w http.ResponseWriter, _ *http.Request) {
		httpapi.JSON(w, http.StatusOK, c.proxy.table.all())
	})
	mux.HandleFunc("PUT /routes", c.put)
	return mux
}

func (c *control) put(w http.ResponseWriter, r *http.Request) {
	var routes []Route
	if err := httpapi.DecodeLimit(r, &routes, 16<<20); err != nil {
		httpapi.Write(w, r, err)
		return
	}
	for _, route := range routes {
		if err := route.validate(); err != nil {
			httpapi.Write(w, r, httpapi.BadRequest(err.Error()))
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.save(routes); err != nil {
		httpapi.Write(w, r, fmt.Errorf("the routes could not be kept, so nothing was changed: %w", err))
		return
	}
	c.proxy.table.replace(routes)
	httpapi.JSON(w, http.StatusOK, Status{Listen: c.listen, PID: os.Getpid(), Routes: len(routes)})
}

func (c *control) save(routes []Route) error {
	b, err := json.Marshal(state{Listen: c.listen, Routes: routes})
	if err != nil {
		return err
	}
	return writeDurably(c.path, b)
}

func load(path string) (state, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return state{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// writeDurably replaces a file so that after a crash it is the old or the new one.
func writeDurably(path string, content []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
