package api

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/apply"
)

// apply takes documents: YAML or JSON, one stream, or several files as
// multipart/form-data whose file names are then in the faults.
func (a *API) apply(w http.ResponseWriter, r *http.Request) error {
	dryRun := false
	if text := r.URL.Query().Get("dryRun"); text != "" {
		var err error
		if dryRun, err = strconv.ParseBool(text); err != nil {
			return httpapi.BadRequest("?dryRun= is true or false.")
		}
	}
	id, err := httpapi.RequestID(r, func() string { return newCorrelation()[:20] })
	if err != nil {
		return err
	}
	req := apply.Request{ID: apply.Prefix + id, Project: r.URL.Query().Get("project"), DryRun: dryRun}
	if err := readDocuments(r, &req); err != nil {
		return err
	}
	op, err := a.Applier.Apply(r.Context(), req)
	if op.ID != "" && !op.DryRun {
		w.Header().Set("Location", "/api/v1/operations/"+op.ID)
	}
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, viewOperation(op))
	return nil
}

func readDocuments(r *http.Request, req *apply.Request) error {
	body, err := httpapi.ReadBody(r, document.MaxSize)
	if err != nil {
		return err
	}
	source := r.URL.Query().Get("source")
	if source == "" {
		source = "-"
	}
	split := func(source string, text io.Reader) {
		docs, faults := document.Split(source, text)
		req.Documents, req.Faults = append(req.Documents, docs...), append(req.Faults, faults...)
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Header.Get("Content-Type") != "" && err != nil:
		return httpapi.UnsupportedMedia(r.Header.Get("Content-Type"), "application/yaml", "application/json", "multipart/form-data")
	case media == "multipart/form-data":
		parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
		for {
			part, err := parts.NextPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return httpapi.BadRequest(fmt.Sprintf("The multipart body cannot be read: %v.", err))
			}
			_, disposition, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
			name := disposition["filename"] // as sent: FileName would cut the folders off
			if name == "" {
				name = part.FormName()
			}
			split(name, part)
		}
	default: // whatever a client calls YAML or JSON: the text itself says which
		split(source, bytes.NewReader(body))
	}
	return nil
}

type operationView struct {
	apply.Operation
	Links map[string]string `json:"links,omitempty"`
}

func viewOperation(op apply.Operation) operationView {
	v := operationView{Operation: op}
	if !op.DryRun {
		v.Links = map[string]string{"self": "/api/v1/operations/" + op.ID}
	}
	return v
}

func (a *API) operations(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	found, next, err := a.Operations.List(r.Context(), limit, cursor)
	if err != nil {
		return err
	}
	items := make([]operationView, 0, len(found))
	for _, op := range found {
		items = append(items, viewOperation(op))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}
