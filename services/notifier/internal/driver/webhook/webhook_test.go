package webhook

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/notifier/internal/channel"
	"github.com/slipway-idp/slipway/services/notifier/internal/delivery"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func server(t *testing.T, h http.HandlerFunc) channel.Channel {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return channel.Channel{Kind: channel.Webhook, URL: s.URL + "/hook/geheim"}
}

// The example of the Standard Webhooks specification's reference
// implementations.
func TestSign_ExampleOfTheSpecification_HasItsSignature(t *testing.T) {
	t.Parallel()
	got, err := Sign([]byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", got)

	_, err = Sign([]byte("whsec_not base64!"), "id", "1", nil)
	require.ErrorContains(t, err, "not base64")
	require.NotContains(t, err.Error(), "not base64!", "the secret is not told")
	plain, err := Sign([]byte("any text"), "id", "1", nil)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(plain, "v1,"))
}

func TestSend_Accepted_CarriesIdTimestampAndSignature(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	body := make(chan string, 1)
	c := server(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got <- r
		body <- string(raw)
		w.WriteHeader(http.StatusNoContent)
	})
	status, err := New(0).Send(t.Context(), c, []byte("secret"), "dlv-1", noon, []byte(`{"text":"hi"}`))
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, status)
	r := <-got
	require.Equal(t, "dlv-1", r.Header.Get("webhook-id"))
	require.Equal(t, "1795348800", r.Header.Get("webhook-timestamp"))
	require.Equal(t, "application/json", r.Header.Get("content-type"))
	want, err := Sign([]byte("secret"), "dlv-1", "1795348800", []byte(<-body))
	require.NoError(t, err)
	require.Equal(t, want, r.Header.Get("webhook-signature"))

	_, err = New(0).Send(t.Context(), c, nil, "dlv-2", noon, nil)
	require.NoError(t, err)
	require.Empty(t, (<-got).Header.Get("webhook-signature"), "without a secret nothing is signed")
}

func TestSend_Refused_SaysHowAndWhenToComeAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		header map[string]string
		want   delivery.Refusal
	}{
		"busy":         {503, map[string]string{"Retry-After": "120"}, delivery.Refusal{Status: 503, Reason: "answered 503 Service Unavailable", RetryAfter: 2 * time.Minute}},
		"until a date": {429, map[string]string{"Retry-After": noon.Add(time.Minute).Format(http.TimeFormat)}, delivery.Refusal{Status: 429, Reason: "answered 429 Too Many Requests", RetryAfter: time.Minute}},
		"for ever":     {429, map[string]string{"Retry-After": "99999999"}, delivery.Refusal{Status: 429, Reason: "answered 429 Too Many Requests", RetryAfter: time.Hour}},
		"nonsense":     {500, map[string]string{"Retry-After": "soon"}, delivery.Refusal{Status: 500, Reason: "answered 500 Internal Server Error"}},
		"not wanted":   {410, nil, delivery.Refusal{Status: 410, Reason: "answered 410 Gone", Final: true}},
		"elsewhere":    {302, map[string]string{"Location": "http://127.0.0.1:1/"}, delivery.Refusal{Status: 302, Reason: "answered 302 Found: redirects are not followed, write the address it leads to into the channel"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch := server(t, func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range c.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(c.status)
			})
			_, err := New(0).Send(t.Context(), ch, nil, "id", noon, nil)
			var refusal *delivery.Refusal
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, c.want, *refusal)
		})
	}
}

func TestSend_NoAnswer_ErrorDoesNotTellTheAddress(t *testing.T) {
	t.Parallel()
	blocked := make(chan struct{})
	ch := server(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-blocked:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(blocked) })
	_, err := New(50*time.Millisecond).Send(t.Context(), ch, nil, "id", noon, nil)
	require.EqualError(t, err, "no answer in time")

	dead := httptest.NewServer(nil)
	dead.Close()
	_, err = New(0).Send(t.Context(), channel.Channel{URL: dead.URL + "/hook/geheim"}, nil, "id", noon, nil)
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "geheim")
	var refusal *delivery.Refusal
	require.False(t, errors.As(err, &refusal))
}

func TestSend_AddressOfTheLinkOrOfNobody_IsRefused(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"169.254.169.254", "0.0.0.0", "224.0.0.1", "[fe80::1]", "[::ffff:169.254.169.254]", "[::]"} {
		_, err := New(0).Send(t.Context(), channel.Channel{URL: "http://" + host + ":9/latest"}, nil, "id", noon, nil)
		require.ErrorContains(t, err, "messages are not sent to", host)
	}
}
