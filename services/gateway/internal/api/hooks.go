package api

import (
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/intake"
	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
)

// bodyTime is how long a delivery may take to arrive. Forges give up sooner.
const bodyTime = 30 * time.Second

// receive answers 202 once the delivery is durable.
func (a *API) receive(w http.ResponseWriter, r *http.Request) error {
	hook, err := a.Receiver.Find(r.Context(), r.PathValue("project"), r.PathValue("webhook"))
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	body, err := httpapi.ReadBody(r, intake.MaxBody)
	if err != nil {
		return err
	}
	receipt, err := a.Receiver.Receive(r.Context(), hook, provider.Request{Header: r.Header, Body: body})
	if err != nil {
		return err
	}
	w.Header().Set(httpapi.CorrelationHeader, receipt.CorrelationID)
	httpapi.JSON(w, http.StatusAccepted, receipt)
	return nil
}
