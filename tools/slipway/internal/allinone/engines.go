package allinone

import (
	"context"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
)

// enginesOf says in one line what carries infrastructure modules out, as the
// platform itself sees it.
func enginesOf(ctx context.Context, r Running) string {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	c, err := client.New(client.Config{URL: r.URL, Token: r.Token})
	if err != nil {
		return err.Error()
	}
	there, err := c.Engines(ctx)
	if err != nil {
		return "not known: " + err.Error()
	}
	var all []string
	for _, e := range there.Items {
		all = append(all, e.Kind+" "+e.Version+" ("+e.Found+")")
	}
	all = append(all, there.Faults...)
	if len(all) == 0 {
		return "none     for OpenTofu and Terraform modules: make opentofu"
	}
	return strings.Join(all, ", ")
}
