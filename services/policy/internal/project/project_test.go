package project

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckName_WhatIsNoSubjectTokenOrHostLabel_IsRefused(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"shop", "a", "team-a", "x1", strings.Repeat("a", 40)} {
		require.NoError(t, CheckName(good), good)
	}
	for _, bad := range []string{"", "org", "Shop", "a.b", "a*", ">", "a b", "1a", "-a", "a-", strings.Repeat("a", 41)} {
		require.Error(t, CheckName(bad), bad)
	}
}
