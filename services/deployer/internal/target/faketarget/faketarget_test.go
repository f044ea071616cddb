package faketarget_test

import (
	"testing"

	"github.com/slipway-idp/slipway/services/deployer/internal/target"
	"github.com/slipway-idp/slipway/services/deployer/internal/target/faketarget"
	"github.com/slipway-idp/slipway/services/deployer/internal/target/targettest"
)

func TestFake_IsATarget(t *testing.T) {
	t.Parallel()
	targettest.Run(t, func(*testing.T) targettest.Harness {
		m := faketarget.NewMachine()
		m.Behave = func(s target.Spec) targettest.Behaviour { return targettest.Behaviour(s.Artifact) }
		return targettest.Harness{
			Target: faketarget.Target{Machine: m},
			Reopen: func(*testing.T) target.Target { return faketarget.Target{Machine: m} },
			Spec: func(_ *testing.T, id string, b targettest.Behaviour) target.Spec {
				return target.Spec{ID: id, Name: "orders.1", Artifact: string(b)}
			},
		}
	})
}
