package strict_test

import (
	"encoding/json"
	"testing"

	"github.com/slipway-idp/slipway/libs/strict"
	"github.com/stretchr/testify/require"
)

func TestNearest_OnlyWhatIsNear_IsSuggested(t *testing.T) {
	t.Parallel()
	known := []string{"containers", "service", "resources", "ttl", "type"}
	for word, want := range map[string]string{
		"contaners": "containers", "Resources": "resources", "servcie": "service", "tpye": "type", "tl": "ttl",
		"banana": "", "": "", "x": "",
	} {
		require.Equal(t, want, strict.Nearest(word, known), word)
	}
}

func TestInto_EmbeddedAndOptionalFields_AreKnown(t *testing.T) {
	t.Parallel()
	type Base struct {
		Name string `json:"name"`
	}
	var v struct {
		Base
		Next   *Base           `json:"next"`
		Raw    json.RawMessage `json:"raw"`
		Hidden string          `json:"-"`
	}
	n, err := strict.ParseJSON([]byte(`{"name":"a","next":{"name":"b"},"raw":{"x":[1.50]}}`))
	require.NoError(t, err)
	require.Empty(t, n.Into(&v))
	require.Equal(t, "b", v.Next.Name)
	require.JSONEq(t, `{"x":[1.50]}`, string(v.Raw))

	n, err = strict.ParseJSON([]byte(`{"Hidden":"a","next":{"nmae":"b"},"a/b":1}`))
	require.NoError(t, err)
	found := n.Into(&v)
	require.Len(t, found, 3)
	require.Equal(t, "/next/nmae", found[1].Pointer)
	require.Equal(t, `did you mean "name"?`, found[1].Hint)
	require.Equal(t, "/a~1b", found[2].Pointer)
}

// FuzzParseJSON: what is read is written as the same JSON, and nothing that
// encoding/json refuses is read.
func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5e3,"\ud83d\ude00",null,true,{}]}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Add([]byte("2e999"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := strict.ParseJSON(data)
		if err != nil {
			var syntax *strict.SyntaxError
			require.ErrorAs(t, err, &syntax)
			return
		}
		require.True(t, json.Valid(data))
		require.JSONEq(t, string(data), string(n.JSON()))
	})
}
