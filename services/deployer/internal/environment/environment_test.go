package environment_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
)

func TestAdmit_SeveralDeployments_GoOneAtATimeInOrder(t *testing.T) {
	t.Parallel()
	var s environment.State
	require.Equal(t, 0, s.Admit("a"))
	require.Equal(t, 0, s.Admit("a"), "asked again")
	require.Equal(t, 1, s.Admit("b"))
	require.Equal(t, 2, s.Admit("c"))
	require.Equal(t, 1, s.Admit("b"), "asking again does not lose the place")
	require.Equal(t, "", s.Leave("b"), "one that waits may give up")
	require.Equal(t, 1, s.Admit("c"))
	require.Equal(t, "c", s.Leave("a"))
	require.Equal(t, 0, s.Admit("c"))
	require.Equal(t, "", s.Leave("c"))
	require.Equal(t, "", s.Leave("c"), "left twice")
	require.Equal(t, 0, s.Admit("d"))
}

func TestComplete_ManySets_TheLastOnesAreKept(t *testing.T) {
	t.Parallel()
	var s environment.State
	for i := range 25 {
		s.Complete(fmt.Sprint("set-", i), fmt.Sprint("dpl-", i), time.Unix(int64(i), 0))
	}
	require.Equal(t, "set-24", s.Current)
	require.Len(t, s.History, 10)
	require.Equal(t, "set-15", s.History[0].Set)
}
