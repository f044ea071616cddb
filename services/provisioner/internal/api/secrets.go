package api

import (
	"net/http"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

// There is no route that answers a value.

func (a *API) listSecrets(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	items, next, err := a.Secrets.List(r.Context(), r.PathValue("project"), limit, cursor)
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}

func (a *API) getSecret(w http.ResponseWriter, r *http.Request) error {
	info, err := a.Secrets.Get(r.Context(), r.PathValue("project"), r.PathValue("secret"))
	if err != nil {
		return missing(err, "secret", r.PathValue("secret"), "")
	}
	httpapi.JSON(w, http.StatusOK, info)
	return nil
}

func (a *API) putSecret(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Value string `json:"value"`
	}
	if err := httpapi.DecodeLimit(r, &body, 2*secret.MaxValue); err != nil {
		return err
	}
	name := r.PathValue("secret")
	if err := secret.CheckName(name); err != nil {
		return httpapi.Unprocessable(httpapi.Fault{Message: err.Error()})
	}
	if err := secret.CheckValue(body.Value); err != nil {
		return httpapi.Unprocessable(httpapi.Fault{Pointer: "/value", Message: err.Error()})
	}
	info, _, err := a.Secrets.Set(r.Context(), httpapi.CauseOf(r.Context()), r.PathValue("project"), name, body.Value, secret.Given)
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, info)
	return nil
}

func (a *API) deleteSecret(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("secret")
	if err := secret.CheckName(name); err != nil {
		return httpapi.NotFound("secret", name, "Outputs of resources go with their resource.")
	}
	existed, err := a.Secrets.Delete(r.Context(), httpapi.CauseOf(r.Context()), r.PathValue("project"), name)
	if err != nil {
		return err
	}
	if !existed {
		return httpapi.NotFound("secret", name, "")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
