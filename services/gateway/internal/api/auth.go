package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/access"
	"github.com/slipway-idp/slipway/services/gateway/internal/token"
)

// stripIdentity takes away what only the gateway may say.
func stripIdentity(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del(httpapi.IdentityHeader)
		next.ServeHTTP(w, r)
	})
}

const howToSignIn = "Send the header Authorization: Bearer slp_…; slipway login stores a token for the CLI, and slipway up writes the first admin's to admin.token in its data folder."

// authenticate establishes who asks and whether they may.
func (a *API) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		need := access.Needs(r)
		if need == access.Public {
			next.ServeHTTP(w, r)
			return
		}
		actor, err := a.whoAsks(r)
		if err != nil {
			httpapi.Write(w, r, err)
			return
		}
		if !access.Allowed(actor, need) {
			httpapi.Write(w, r, httpapi.Forbidden(fmt.Sprintf("%s may not do this: it needs the permission %q. An admin can make a token that has it.", actor.Name, need)))
			return
		}
		next.ServeHTTP(w, r.WithContext(httpapi.WithActor(r.Context(), actor)))
	})
}

func (a *API) whoAsks(r *http.Request) (httpapi.Actor, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return httpapi.Actor{}, httpapi.Unauthorized("This needs a token. " + howToSignIn)
	}
	scheme, text, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return httpapi.Actor{}, httpapi.Unauthorized("The header Authorization is not of the kind Bearer. " + howToSignIn)
	}
	actor, err := a.Tokens.Actor(r.Context(), strings.TrimSpace(text))
	var refused *token.RefusedError
	if errors.As(err, &refused) {
		return actor, httpapi.Unauthorized("The token was refused: " + refused.Reason + ". " + howToSignIn)
	}
	return actor, err
}
