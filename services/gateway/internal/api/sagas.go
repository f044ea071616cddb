package api

import (
	"net/http"
	"strings"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/apply"
	"github.com/slipway-idp/slipway/services/gateway/internal/proxy"
)

// operation shows an apply of ours, or passes to the service whose saga it is.
func (a *API) operation(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if owner, ok := proxy.OwnerOfSaga(id); ok {
		a.Owners.Pass(w, r, owner)
		return nil
	}
	if !strings.HasPrefix(id, apply.Prefix) {
		return httpapi.NotFound("operation", id, "Ids of operations begin with apl-, env-, res- or dpl-.")
	}
	op, err := a.Operations.Get(r.Context(), id)
	if err != nil {
		return err
	}
	if !httpapi.WantsStream(r) {
		httpapi.JSON(w, http.StatusOK, viewOperation(op))
		return nil
	}
	// An apply ends before it is answered: there is nothing to follow.
	out, err := httpapi.NewStream(w)
	if err != nil {
		return err
	}
	return out.Send("", "end", viewOperation(op))
}

func (a *API) sagas(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	page, err := a.Owners.Sagas(r.Context(), r.URL.Query(), limit, cursor)
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, page)
	return nil
}

func (a *API) saga(w http.ResponseWriter, r *http.Request) error {
	owner, ok := proxy.OwnerOfSaga(r.PathValue("id"))
	if !ok {
		return httpapi.NotFound("saga", r.PathValue("id"), "slipway saga list shows them; their ids begin with env-, res- or dpl-.")
	}
	a.Owners.Pass(w, r, owner)
	return nil
}

// pass gives a request to the service that owns what its path names.
func (a *API) pass(w http.ResponseWriter, r *http.Request) error {
	owner, ok := proxy.OwnerOf(r.URL.Path)
	if !ok {
		return httpapi.NotFound("page", r.URL.Path, "GET /openapi.yaml lists what there is.")
	}
	a.Owners.Pass(w, r, owner)
	return nil
}
