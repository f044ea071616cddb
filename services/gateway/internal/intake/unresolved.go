package intake

import (
	"errors"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/secrets"
)

// unresolved is the answer to a delivery whose webhook's secret cannot be had:
// 503, the sender shall come again, since the delivery may well be good.
func unresolved(err error, hook Webhook) error {
	switch {
	case errors.Is(err, secrets.ErrMissing):
		p := httpapi.Unavailable(30*time.Second, "This webhook cannot verify anything yet: project "+hook.Project+" has no Secret "+hook.Spec.SecretRef+". Apply a Secret document with the value that is set at the provider, then send the delivery again.")
		p.Type, p.Title = httpapi.TypePrefix+"secret-missing", "The webhook's secret is not set."
		return p
	case errors.Is(err, secrets.ErrUnanswered):
		return httpapi.Unavailable(5*time.Second, "The secret that this webhook is signed with cannot be read just now, since the service that keeps it does not answer. Send the delivery again in a moment.")
	}
	return err
}
