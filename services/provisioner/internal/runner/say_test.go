package runner

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHuman_LineOfAnEngine_IsASentence(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"@level":"info","@message":"thing.a: Creating...","type":"apply_start","hook":{"resource":{"addr":"thing.a"},"action":"create"}}`:                                                                         "thing.a: Creating...\n",
		`{"@level":"info","@message":"OpenTofu 1.12.6","type":"version"}`:                                                                                                                                           "",
		`{"@level":"info","@message":"Outputs: 1","type":"outputs","outputs":{"secret":{"value":"x"}}}`:                                                                                                             "",
		`{"@level":"error","@message":"Error: No","type":"diagnostic","diagnostic":{"severity":"error","summary":"No","detail":"Not\nthis","address":"thing.a","range":{"filename":"main.tf","start":{"line":3}}}}`: "main.tf:3: error: No (thing.a): Not this\n",
		"panic: at once": "panic: at once\n",
		"":               "",
		"  ":             "",
	} {
		require.Equal(t, want, Human([]byte(line)), line)
	}
}

func TestEachEvent_CutOffTooLongAndForeignLines_AreLeftOut(t *testing.T) {
	t.Parallel()
	text := `{"@level":"info","@message":"one","type":"x"}` + "\n" +
		`{"@level":"info","@message":"` + strings.Repeat("y", longestLine) + `","type":"x"}` + "\n" +
		"not an event\n[1]\n{}\n" +
		`{"@level":"info","@message":"two","type":"change_summary","changes":{"add":1,"operation":"apply"}}` + "\n" +
		`{"@level":"info","@message":"cut`
	var got []string
	require.NoError(t, EachEvent(strings.NewReader(text), func(e Event) { got = append(got, e.Message) }))
	require.Equal(t, []string{"one", "two"}, got)
}

func FuzzEachEvent_AnyBytes_DoNoHarm(f *testing.F) {
	f.Add("{}\n{\"type\":\"diagnostic\",\"diagnostic\":{}}\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		require.NoError(t, EachEvent(strings.NewReader(text), func(e Event) { _ = e }))
		_ = Human([]byte(text))
	})
}

func TestCheckEnv_WhatThePlatformSets_IsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"AWS_REGION", "PATH", "_x", "http_proxy"} {
		require.NoError(t, CheckEnv(name), name)
	}
	for name, why := range map[string]string{
		"TF_HTTP_PASSWORD": "set by the platform", "TF_CLI_ARGS": "set by the platform", "SLIPWAY_PROCESS": "set by the platform", "HOME": "set by the platform",
		"TF_VAR_name": "as inputs", "1X": "no name", "A B": "no name", "": "no name", "A=B": "no name",
	} {
		require.ErrorContains(t, CheckEnv(name), why, name)
	}
}

func TestMissingProvider_SaysWhichWhereAndWhatToDo(t *testing.T) {
	t.Parallel()
	for summary, detail := range map[string]string{
		"Failed to resolve provider packages":         "Could not resolve provider example/nope: cannot search /mirror: no such file",
		"Failed to query available provider packages": "Could not retrieve the list of available versions for provider example/nope: cannot search /mirror: no such file\n\nTo see which modules are currently depending on example/nope …",
	} {
		reason := missingProvider([]Diagnostic{{Severity: "error", Summary: summary, Detail: detail}})
		require.Equal(t, "provider example/nope cannot be had: cannot search /mirror: no such file. Put it into a mirror, and name the engine's configuration file that says where the mirror is: SLIPWAY_ENGINE_CONFIG (provider_installation)", reason)
	}
	require.Contains(t, missingProvider([]Diagnostic{{Severity: "error", Summary: "Failed to install provider", Detail: "Disk full"}}), "Disk full")
	require.Empty(t, missingProvider([]Diagnostic{{Severity: "error", Summary: "Invalid reference"}, {Severity: "warning", Summary: "Failed to install provider"}}))
}

func TestSentence_MostTellingErrorFirst(t *testing.T) {
	t.Parallel()
	all := []Diagnostic{
		{Severity: "warning", Summary: "Old"},
		{Severity: "error", Summary: "There were problems"},
		{Severity: "error", Summary: "Invalid reference", Detail: "No such thing.", File: "main.tf", Line: 7},
	}
	require.Equal(t, "tofu plan failed: main.tf:7: Invalid reference: No such thing. (and 1 more)", sentence("tofu", StepPlan, all, ""))
	require.Equal(t, "tofu plan failed: exit status 1", sentence("tofu", StepPlan, nil, "exit status 1\n"))
	require.LessOrEqual(t, len(sentence("tofu", StepPlan, nil, strings.Repeat("é", 5000))), 700)
}

// platform answers heartbeats with a status that a test changes; 0 hangs up.
func platform(t *testing.T) (url string, answer *atomic.Int64, beats *atomic.Int64) {
	t.Helper()
	answer, beats = &atomic.Int64{}, &atomic.Int64{}
	answer.Store(http.StatusNoContent)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		beats.Add(1)
		if user, password, _ := r.BasicAuth(); user != "run" || password != "token" || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		if status := int(answer.Load()); status != 0 {
			w.WriteHeader(status)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(s.Close)
	return s.URL, answer, beats
}

func quick() *beat {
	return &beat{every: 5 * time.Millisecond, patience: 100 * time.Millisecond, refusal: 50 * time.Millisecond}
}

func TestBeat_PlatformThatIsThere_GoesOnUntilThePhaseIsOver(t *testing.T) {
	t.Parallel()
	url, _, beats := platform(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- quick().keep(ctx, url, "run", "token") }()
	require.Eventually(t, func() bool { return beats.Load() > 40 }, 30*time.Second, time.Millisecond, "longer than its patience")
	cancel()
	require.NoError(t, <-ended)
}

func TestBeat_PlatformThatIsSilent_EndsTheRunAfterItsPatience(t *testing.T) {
	t.Parallel()
	for _, status := range []int64{0, http.StatusInternalServerError} {
		url, answer, _ := platform(t)
		answer.Store(status)
		began := time.Now()
		require.ErrorContains(t, quick().keep(t.Context(), url, "run", "token"), "has not answered for")
		require.GreaterOrEqual(t, time.Since(began), quick().patience)
	}
}

func TestBeat_PlatformThatRefuses_IsBelievedAfterAWhile(t *testing.T) {
	t.Parallel()
	for _, status := range []int64{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusGone} {
		url, answer, beats := platform(t)
		answer.Store(status)
		require.ErrorIs(t, quick().keep(t.Context(), url, "run", "token"), errGivenUp)
		require.Greater(t, beats.Load(), int64(1), "a platform that restarts may answer so for a moment")
	}
}
