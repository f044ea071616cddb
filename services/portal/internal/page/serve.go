package page

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
)

// AssetPath is where an asset is served: its address changes with its content,
// so that a browser never asks for it twice.
func (p *Pages) AssetPath(name string) string { return "/assets/" + p.digest + "/" + name }

// ServeAsset serves /assets/{digest}/{file}.
func (p *Pages) ServeAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := p.static[r.PathValue("file")]
	if !ok || r.PathValue("digest") != p.digest {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.media)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	send(w, r, http.StatusOK, a.body, a.zipped)
}

// Send answers with a page.
func Send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-cache")
	var zipped []byte
	if len(body) > 1400 && takesZip(r) { // one packet is one packet
		zipped, _ = Zip(body) // into memory
	}
	send(w, r, status, body, zipped)
}

func send(w http.ResponseWriter, r *http.Request, status int, body, zipped []byte) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	if zipped != nil && takesZip(r) {
		h.Set("Content-Encoding", "gzip")
		body = zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone: there is nobody to tell
	}
}

func takesZip(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
}

// Zip compresses what is sent as a whole.
func Zip(body []byte) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
