package environment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
)

func TestAsked_NamesThatAreTaken_AreOfTheirWorkloadAndParamsFollow(t *testing.T) {
	t.Parallel()
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	shared := definition.Need{Type: "s3", ID: "files"}
	env := Environment{
		Spec: map[string]definition.Need{"cache": {Type: "redis"}, "files": shared},
		Claims: map[string]*Claim{
			OwnClaim: {Status: Held, Names: map[string]string{"cache": "cache"}},
			"new": {Workload: "orders", Status: Held, Since: late, Needs: map[string]definition.Need{
				"cache": {Type: "redis", Class: "gold"}, "files": shared,
				"queue": {Type: "queue", Params: map[string]any{"at": "${resources.cache.url}", "like": "${resources.cached.url}"}},
			}},
			"old":  {Workload: "orders", Status: Held, Since: early, Needs: map[string]definition.Need{"gone": {Type: "redis"}}},
			"left": {Workload: "web", Status: Releasing, Since: late, Needs: map[string]definition.Need{"gone": {Type: "redis"}}},
			"past": {Workload: "api", Status: Held, Since: late, Names: map[string]string{"db": "api.db"}},
		},
		Resources: map[string]*Resource{"api.db": {Type: "volume", Class: "default"}},
	}
	require.Equal(t, map[string]definition.Need{
		"cache":        {Type: "redis"},
		"files":        shared,
		"orders-cache": {Type: "redis", Class: "gold"},
		"queue":        {Type: "queue", Params: map[string]any{"at": "${resources.orders-cache.url}", "like": "${resources.cached.url}"}},
		"db":           {Type: "volume", Class: "default"}, // of a claim that an older Slipway took
	}, env.asked())
	require.Len(t, env.Spec, 2, "what is asked is a copy")
}
