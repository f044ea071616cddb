package httpapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/stretchr/testify/require"
)

var key = []byte("0123456789abcdef0123456789abcdef")

type request struct {
	Workload    string            `json:"workload"`
	Environment string            `json:"environment"`
	Replicas    uint8             `json:"replicas"`
	TTL         time.Duration     `json:"ttl"`
	Params      map[string]any    `json:"params"`
	Labels      map[string]string `json:"labels"`
}

func decode(body string) error {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	return httpapi.Decode(r, &request{})
}

func TestDecode_BadInput_EachHasAProblemThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body   string
		status int
		text   string
	}{
		"unknown field": {`{"workload":"orders",` + "\n" + ` "environmnet":"dev"}`, 422, `2:2: unknown field "environmnet" (did you mean "environment"?)`},
		"wrong type":    {`{"workload":3}`, 422, `1:13: a string is wanted here, this is a number`},
		"too big":       {`{"replicas":256}`, 422, `256 does not fit: a whole number from 0 to 255 is wanted here`},
		"fraction":      {`{"ttl":1.5}`, 422, `a whole number is wanted here`},
		"deep":          {`{"labels":{"a":{"b":1}}}`, 422, `a string is wanted here, this is a mapping`},
		"twice":         {`{"workload":"a","workload":"b"}`, 400, `"workload" is written twice`},
		"cut":           {`{"workload":"a"`, 400, `the JSON ends too early`},
		"trailing":      {`{} {}`, 400, `something after the end`},
		"syntax":        {"{\n\"workload\": orders}", 400, `2:13: `},
		"empty":         {``, 400, `The body is empty`},
		"bomb":          {strings.Repeat("[", 2000), 400, `nested deeper than 100 levels`},
		"huge":          {`{"workload":"` + strings.Repeat("a", 1<<20) + `"}`, 413, `at most 1 MiB`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p *httpapi.Problem
			require.ErrorAs(t, decode(tc.body), &p)
			require.Equal(t, tc.status, p.Status)
			require.Contains(t, p.Error(), tc.text)
		})
	}
	require.NoError(t, decode(`{"workload":"orders","params":{"any":[1,{"thing":null}]},"labels":null}`))
}

func TestDecode_OtherContentType_Is415(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "text/plain")
	require.Equal(t, 415, httpapi.ProblemOf(httpapi.Decode(r, &request{})).Status)
}

func TestWrite_Errors_BecomeProblemsOfAStableType(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err     error
		ifMatch string
		status  int
		slug    string
	}{
		"wrapped problem":    {fmt.Errorf("x: %w", httpapi.Forbidden("no")), "", 403, "forbidden"},
		"not found":          {store.ErrNotFound, "", 404, "not-found"},
		"conflict":           {&store.ConflictError{}, "", 409, "conflict"},
		"conflict, If-Match": {&store.ConflictError{}, `"3"`, 412, "version-mismatch"},
		"full":               {&store.FullError{}, "", 507, "storage-full"},
		"store away":         {fmt.Errorf("x: %w", store.ErrUnavailable), "", 503, "unavailable"},
		"too large to keep":  {&store.TooLargeError{}, "", 413, "too-large"},
		"read only":          {store.ErrReadOnly, "", 503, "read-only"},
		"throttled":          {httpapi.TooMany(1500*time.Millisecond, "slow down"), "", 429, "too-many-requests"},
		"unknown":            {errors.New("password=hunter2"), "", 500, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/v1/x", nil)
			r.Header.Set("If-Match", tc.ifMatch)
			httpapi.Write(w, r, tc.err)
			var p httpapi.Problem
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
			require.Equal(t, tc.status, w.Code)
			require.Equal(t, tc.status, p.Status)
			require.Equal(t, httpapi.TypePrefix+tc.slug, p.Type)
			require.Equal(t, "/api/v1/x", p.Instance)
			require.Equal(t, httpapi.ProblemContentType, w.Header().Get("Content-Type"))
			require.NotContains(t, w.Body.String(), "hunter2")
			if tc.status == 429 {
				require.Equal(t, "2", w.Header().Get("Retry-After"))
			}
		})
	}
}

func TestIdentity_OnlyItsOwnFreshTokens_LetARequestThrough(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	id, err := httpapi.NewIdentity(key, clock)
	require.NoError(t, err)
	other, err := httpapi.NewIdentity(bytes.ToUpper(key), clock)
	require.NoError(t, err)
	_, err = httpapi.NewIdentity([]byte("short"), clock)
	require.Error(t, err)

	ada := httpapi.Actor{Name: "user:default/ada", Roles: []string{"developer"}, Projects: []string{"shop"}}
	token, err := id.Sign(ada)
	require.NoError(t, err)
	forged, err := other.Sign(ada)
	require.NoError(t, err)
	var seen httpapi.Actor
	h := id.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = httpapi.ActorFrom(r.Context()) }))
	ask := func(token string) int {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set(httpapi.IdentityHeader, token)
		h.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, 200, ask(token))
	require.Equal(t, ada, seen)
	require.True(t, seen.Has("developer"))
	require.Equal(t, 401, ask(""))
	require.Equal(t, 401, ask(forged))
	require.Equal(t, 401, ask("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyOmRlZmF1bHQvYWRhIn0."))
	now = now.Add(2 * time.Minute)
	require.Equal(t, 401, ask(token))
}

func TestMiddleware_HandlerPanics_AnswersAProblemAndLogsIt(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	h := httpapi.Chain(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a nil map") }),
		httpapi.Correlation(func() string { return "01JD" }),
		httpapi.AccessLog(zerolog.New(&logged), time.Now), httpapi.Recover)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x", nil))
	require.Equal(t, 500, w.Code)
	require.Contains(t, w.Body.String(), `"requestId":"01JD"`)
	require.NotContains(t, w.Body.String(), "nil map")
	require.Contains(t, logged.String(), `"panic":"a nil map"`)
	require.Contains(t, logged.String(), `"status":500`)
}

func TestCorrelation_GivenIDs_AreKeptOnlyIfWellFormed(t *testing.T) {
	t.Parallel()
	h := httpapi.Correlation(func() string { return "new" })(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, httpapi.CorrelationFrom(r.Context()))
	}))
	for given, want := range map[string]string{"01JD-a": "01JD-a", "": "new", "a b": "new", strings.Repeat("a", 129): "new"} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set(httpapi.CorrelationHeader, given)
		h.ServeHTTP(w, r)
		require.Equal(t, want, w.Body.String())
		require.Equal(t, want, w.Header().Get(httpapi.CorrelationHeader))
	}
}

func TestLimitBody_TooLong_Is413StatedOrNot(t *testing.T) {
	t.Parallel()
	h := httpapi.LimitBody(10)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := httpapi.ReadBody(r, 100); err != nil {
			httpapi.Write(w, r, err)
		}
	}))
	for _, stated := range []int64{20, -1} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("a", 20)))
		r.ContentLength = stated
		h.ServeHTTP(w, r)
		require.Equal(t, 413, w.Code)
		require.Contains(t, w.Body.String(), "at most 10 bytes")
	}
}

func TestRequestID_SameKey_GivesTheSameIDToTheSameActorOnly(t *testing.T) {
	t.Parallel()
	id := func(actor, key string) string {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/x", nil)
		r.Header.Set(httpapi.IdempotencyHeader, key)
		got, err := httpapi.RequestID(r.WithContext(httpapi.WithActor(r.Context(), httpapi.Actor{Name: actor})), func() string { return "minted" })
		require.NoError(t, err)
		return got
	}
	require.Equal(t, id("ada", "k1"), id("ada", "k1"))
	require.NotEqual(t, id("ada", "k1"), id("bob", "k1"))
	require.NotEqual(t, id("ada", "k1"), id("ada", "k2"))
	require.Equal(t, "minted", id("ada", ""))
}

func TestStream_Events_ArriveAsTheyAreSentThroughTheMiddlewares(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	h := httpapi.Chain(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s, err := httpapi.NewStream(w)
		if err != nil {
			return
		}
		_ = s.Send("7", "step", map[string]string{"id": "start"})
		<-next
	}), httpapi.AccessLog(zerolog.Nop(), time.Now), httpapi.Recover)
	srv := httptest.NewServer(h)
	defer srv.Close()
	res, err := http.Get(srv.URL)
	require.NoError(t, err)
	defer res.Body.Close()
	buf := make([]byte, 100)
	n, err := res.Body.Read(buf) // returns before the handler does
	require.NoError(t, err)
	require.Equal(t, "id: 7\nevent: step\ndata: {\"id\":\"start\"}\n\n", string(buf[:n]))
	close(next)
}
