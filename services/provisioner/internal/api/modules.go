package api

import (
	"bytes"
	"errors"
	"net/http"
	"path"
	"strconv"

	"github.com/slipway-idp/slipway/libs/archive"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
)

// maxArchive is what a packed module may have: that of its files, should they
// not compress, and a header for each.
const maxArchive = module.MaxBytes + module.MaxFiles*2048

// putModule takes a packed module. ?dryRun=true only looks at it: for a while
// a definition can then be checked against it, and nothing is kept. ?source=
// is what faults call its folder.
func (a *API) putModule(w http.ResponseWriter, r *http.Request) error {
	dryRun := false
	if text := r.URL.Query().Get("dryRun"); text != "" {
		var err error
		if dryRun, err = strconv.ParseBool(text); err != nil {
			return httpapi.BadRequest("?dryRun= is true or false.")
		}
	}
	packed, err := httpapi.ReadBody(r, maxArchive)
	if err != nil {
		return err
	}
	take, status := a.Modules.Put, http.StatusCreated
	if dryRun {
		take, status = a.Modules.Look, http.StatusOK
	}
	m, err := take(r.Context(), bytes.NewReader(packed))
	if err != nil {
		return moduleProblem(r.URL.Query().Get("source"), err)
	}
	if !dryRun {
		w.Header().Set("Location", "/api/v1/projects/"+r.PathValue("project")+"/modules/"+m.Digest)
	}
	httpapi.JSON(w, status, m)
	return nil
}

// moduleProblem tells what is wrong with a module in the words of whoever sent
// it: the folder is called as they call it.
func moduleProblem(source string, err error) error {
	var refused *archive.RefusedError
	var invalid *module.InvalidError
	switch {
	case errors.As(err, &invalid):
		var faults []httpapi.Fault
		for _, p := range invalid.Problems {
			f := httpapi.Fault{Source: path.Join(source, p.File), Line: p.Line, Column: p.Column, Message: p.Message}
			faults = append(faults, f)
		}
		return httpapi.Unprocessable(faults...)
	case errors.As(err, &refused) && refused.TooLarge:
		p := httpapi.TooLarge(module.MaxBytes)
		p.Detail = "The module is too large: " + refused.Error() + "."
		return p
	case errors.As(err, &refused):
		return httpapi.Unprocessable(httpapi.Fault{Source: path.Join(source, refused.Entry), Message: refused.Error()})
	}
	return err
}

func (a *API) getModule(w http.ResponseWriter, r *http.Request) error {
	m, err := a.Modules.Get(r.Context(), r.PathValue("digest"))
	if errors.Is(err, module.ErrUnknown) {
		return httpapi.NotFound("module", r.PathValue("digest"), "slipway apply uploads the modules that its documents name.")
	}
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, m)
	return nil
}
