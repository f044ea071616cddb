package process

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseStat_NameWithParenthesesAndSpaces_FieldsAreStillRight(t *testing.T) {
	t.Parallel()
	line := "42 (a) R (b)) S 1 42 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3"
	s, err := parseStat(42, []byte(line))
	require.NoError(t, err)
	require.Equal(t, stat{pid: 42, ppid: 1, pgrp: 42, session: 40, state: 'S', startTicks: 98765}, s)
}

func TestParseStat_Malformed_IsAnError(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"", "42 name S", "42 (x) S 1", "42 (x) S a" + strings.Repeat(" 1", 30)} {
		_, err := parseStat(42, []byte(line))
		require.Error(t, err, line)
	}
}

func TestParseAddr_BothFamilies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"00000000:0050":                         "0.0.0.0:80",
		"00000000000000000000000001000000:0051": "[::1]:81",
		"0000000000000000FFFF00000100007F:0052": "127.0.0.1:82",
	} {
		got, err := parseAddr(text)
		require.NoError(t, err, text)
		require.Equal(t, netip.MustParseAddrPort(want), got)
	}
	for _, text := range []string{"", "0100007F", "zz:1", "0100007F:zz", "01:1"} {
		_, err := parseAddr(text)
		require.Error(t, err, text)
	}
}
