package api

import (
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/intake"
)

type webhookView struct {
	Project   string      `json:"project"`
	Name      string      `json:"name"`
	Spec      intake.Spec `json:"spec"`
	Path      string      `json:"path"` // where the provider sends its deliveries
	Version   int64       `json:"version"`
	CreatedAt time.Time   `json:"createdAt"`
	UpdatedAt time.Time   `json:"updatedAt"`
}

func viewWebhook(v aggregate.Versioned[intake.Webhook]) webhookView {
	return webhookView{Project: v.State.Project, Name: v.State.Name, Spec: v.State.Spec, Path: v.State.Path(),
		Version: v.Version, CreatedAt: v.Created, UpdatedAt: v.Updated}
}

func (a *API) listWebhooks(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	found, next, err := a.Webhooks.List(r.Context(), r.PathValue("project"), limit, cursor)
	if err != nil {
		return err
	}
	items := make([]webhookView, 0, len(found))
	for _, v := range found {
		items = append(items, viewWebhook(v))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}

func (a *API) getWebhook(w http.ResponseWriter, r *http.Request) error {
	v, err := a.Webhooks.Get(r.Context(), r.PathValue("project"), r.PathValue("webhook"))
	if err != nil {
		return err
	}
	httpapi.SetVersion(w, v.Version)
	httpapi.JSON(w, http.StatusOK, viewWebhook(v))
	return nil
}

func (a *API) deleteWebhook(w http.ResponseWriter, r *http.Request) error {
	cause := httpapi.CauseOf(r.Context())
	if err := a.Webhooks.Delete(r.Context(), r.PathValue("project"), r.PathValue("webhook"), cause); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deliveryView is a delivery without its body; payload only where one is shown.
type deliveryView struct {
	ID string `json:"id"`
	intake.Delivery
	Body    []byte `json:"body,omitempty"` // hides the stored one
	Payload any    `json:"payload,omitempty"`
}

func viewDelivery(v aggregate.Versioned[intake.Delivery]) deliveryView {
	return deliveryView{ID: v.ID, Delivery: v.State}
}

func (a *API) listDeliveries(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	found, next, err := a.Deliveries.List(r.Context(), r.PathValue("project"), r.PathValue("webhook"), limit, cursor)
	if err != nil {
		return err
	}
	items := make([]deliveryView, 0, len(found))
	for _, v := range found {
		items = append(items, viewDelivery(v))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}

// getDelivery shows a delivery with its payload, credentials masked.
func (a *API) getDelivery(w http.ResponseWriter, r *http.Request) error {
	v, err := a.Deliveries.Get(r.Context(), r.PathValue("project"), r.PathValue("webhook"), r.PathValue("delivery"))
	if err != nil {
		return err
	}
	view := viewDelivery(v)
	body, err := a.Deliveries.Body(r.Context(), v)
	if err == nil {
		view.Payload = intake.Masked(v.State.ContentType, body)
	} else if httpapi.ProblemOf(err).Status != http.StatusGone {
		return err
	}
	httpapi.JSON(w, http.StatusOK, view)
	return nil
}
