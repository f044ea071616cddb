package intake_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/gateway/internal/intake"
)

func TestMasked_CredentialsAreNotShown(t *testing.T) {
	t.Parallel()
	body := `{"hook":{"config":{"secret":"hunter2"}},"clone":"https://ada:pw@example.org/x.git","tokens_url":"https://x/tokens","list":[{"api_key":"k1"}],"text":"see ghp_0123456789abcdefghijABCDEF","n":9007199254740993}`
	for name, shown := range map[string]any{
		"json": intake.Masked("application/json", []byte(body)),
		"form": intake.Masked("application/x-www-form-urlencoded", []byte(url.Values{"payload": {body}}.Encode())),
		"text": intake.Masked("application/json", []byte("not json: ghp_0123456789abcdefghijABCDEF https://ada:pw@example.org")),
	} {
		raw, err := json.Marshal(shown)
		require.NoError(t, err)
		for _, secret := range []string{"hunter2", "ada:pw", "k1", "ghp_0123"} {
			require.NotContains(t, string(raw), secret, name)
		}
		if name != "text" {
			require.Contains(t, string(raw), "https://x/tokens")
			require.Contains(t, string(raw), "9007199254740993")
		}
	}
}

func FuzzMasked(f *testing.F) {
	f.Add("application/json", `{"a":[{"token":"x"}]}`)
	f.Fuzz(func(t *testing.T, media, body string) {
		if _, err := json.Marshal(intake.Masked(media, []byte(body))); err != nil {
			t.Fatal(err)
		}
	})
}
