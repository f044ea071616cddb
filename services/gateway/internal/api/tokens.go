package api

import (
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/token"
)

type tokenView struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Actor     string    `json:"actor"`
	Roles     []string  `json:"roles"`
	CreatedAt time.Time `json:"createdAt"`
	CreatedBy string    `json:"createdBy,omitempty"`
	LastUsed  time.Time `json:"lastUsed,omitzero"`
	Token     string    `json:"token,omitempty"` // only in the answer that made it
}

func viewToken(id string, t token.Token) tokenView {
	return tokenView{ID: id, Name: t.Name, Actor: t.Actor, Roles: t.Roles, CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy, LastUsed: t.LastUsed}
}

func (a *API) createToken(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Name  string   `json:"name"`
		Actor string   `json:"actor,omitempty"`
		Roles []string `json:"roles,omitempty"`
	}
	if err := httpapi.Decode(r, &in); err != nil {
		return err
	}
	id, text, made, err := a.Tokens.Create(r.Context(), in.Name, in.Actor, in.Roles)
	if err != nil {
		return err
	}
	view := viewToken(id, made)
	view.Token = text
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", "/api/v1/tokens/"+id)
	httpapi.JSON(w, http.StatusCreated, view)
	return nil
}

func (a *API) listTokens(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	found, next, err := a.Tokens.List(r.Context(), limit, cursor)
	if err != nil {
		return err
	}
	items := make([]tokenView, 0, len(found))
	for _, v := range found {
		items = append(items, viewToken(v.ID, v.State))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}

func (a *API) revokeToken(w http.ResponseWriter, r *http.Request) error {
	if err := a.Tokens.Revoke(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) whoami(w http.ResponseWriter, r *http.Request) error {
	httpapi.JSON(w, http.StatusOK, httpapi.ActorFrom(r.Context()))
	return nil
}
