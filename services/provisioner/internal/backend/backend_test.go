package backend_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/services/provisioner/internal/backend"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

func TestProtocol_LockWriteReadUnlock(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	require.Equal(t, http.StatusNoContent, d.ask("run-1", "GET", state, "").status)
	require.Equal(t, http.StatusOK, d.ask("run-1", "LOCK", state, lockOf("one")).status)
	require.Equal(t, http.StatusOK, d.ask("run-1", "LOCK", state, lockOf("one")).status, "its first answer may have been lost")
	raw := stateOf(1, "planted-canary")
	sum := md5.Sum([]byte(raw))
	md := base64.StdEncoding.EncodeToString(sum[:])
	require.Equal(t, http.StatusOK, d.ask("run-1", "POST", state+"?ID=one", raw, "Content-MD5", md).status)
	require.Equal(t, http.StatusOK, d.ask("run-1", "POST", state+"?ID=one", raw).status)
	got := d.ask("run-1", "GET", state, "")
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, raw, got.body)
	require.Equal(t, md, got.header.Get("Content-MD5"))
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, http.StatusOK, d.ask("run-1", "UNLOCK", state, lockOf("one")).status)
	require.Equal(t, http.StatusOK, d.ask("run-1", "UNLOCK", state, lockOf("one")).status)

	st, err := d.stacks.Get(t.Context(), bucket)
	require.NoError(t, err)
	require.Nil(t, st.Lock)
	require.EqualValues(t, "tofu", st.Engine)
	require.Equal(t, 1, st.Version.Number)
	require.Equal(t, []string{raw, raw}, d.seen)
	d.nowhere("planted-canary")
	require.NotContains(t, d.logged(), "planted-canary")
}

func TestLock_SomebodyHasIt_TheAnswerTellsWhoseAndTheWayOut(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	require.Equal(t, http.StatusOK, d.ask("run-1", "LOCK", state, lockOf("one")).status)
	for _, a := range []answer{
		d.ask("run-2", "LOCK", state, lockOf("two")),
		d.ask("run-2", "UNLOCK", state, lockOf("one")),
		d.ask("run-2", "UNLOCK", state, ""),
		d.ask("run-1", "LOCK", state, lockOf("three")),
		d.ask("planner", "LOCK", state, lockOf("four")),
	} {
		require.Equal(t, http.StatusLocked, a.status)
		var holder struct{ ID, Operation, Who, Info, Path, Created string }
		require.NoError(t, json.Unmarshal([]byte(a.body), &holder))
		const sentence = "stack shop.dev.bucket is locked by run run-1 (apply) since 2026-11-23 10:00:00 UTC; should that run be dead, free it with: slipway stack unlock shop.dev.bucket --reason …"
		require.Equal(t, sentence, holder.Info)
		require.Equal(t, "one: "+sentence, holder.ID)
		require.Equal(t, "run run-1", holder.Who)
		require.Equal(t, "2026-11-23T10:00:00Z", holder.Created)
	}
	require.Equal(t, http.StatusOK, d.ask("run-1", "UNLOCK", state, "").status, "an engine's own force-unlock sends nothing")
	require.Equal(t, http.StatusOK, d.ask("run-2", "LOCK", state, lockOf("two")).status)
}

func TestLock_WhatTheEngineSays_IsCleanedAndShort(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	info, err := json.Marshal(map[string]string{"ID": "one", "Operation": "OperationTypePlan", "Who": "\x1b[31m" + strings.Repeat("ä", 300)})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, d.ask("planner", "LOCK", state, string(info)).status)
	st, err := d.stacks.Get(t.Context(), bucket)
	require.NoError(t, err)
	require.Equal(t, "plan", st.Lock.Operation)
	require.LessOrEqual(t, len(st.Lock.Who), 200)
	require.True(t, strings.HasPrefix(st.Lock.Who, "[31mä"))
	for _, body := range []string{"", "{}", "nonsense", `{"ID":"` + strings.Repeat("x", 201) + `"}`, `{"ID":"` + strings.Repeat("x", 70<<10) + `"}`} {
		require.Equal(t, http.StatusBadRequest, d.ask("run-1", "LOCK", state, body).status)
	}
}

func TestAccess_OnlyTheRunsOwnStackByItsOwnToken(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	everything := []string{"GET", "POST", "DELETE", "LOCK", "UNLOCK"}
	for _, method := range everything {
		for name, a := range map[string]answer{
			"nobody":         d.send("", "", method, state, http.NoBody),
			"unknown run":    d.ask("run-9", method, state, ""),
			"wrong token":    d.send("run-1", "token-of-run-2", method, state, http.NoBody),
			"empty token":    d.send("run-1", "", method, state, http.NoBody),
			"no such stack":  d.send("run-9", "x", method, "/stacks/nothing/state", http.NoBody),
			"begins like it": d.send("run-1", "token-of-run-", method, state, http.NoBody),
		} {
			require.Equal(t, http.StatusUnauthorized, a.status, "%s %s", method, name)
			require.NotEmpty(t, a.header.Get("WWW-Authenticate"))
		}
		a := d.ask("run-1", method, "/stacks/shop.dev.other/state", "")
		require.Equal(t, http.StatusForbidden, a.status, method)
		require.Contains(t, a.body, "run run-1 works on stack shop.dev.bucket")
	}
	d.mu.Lock()
	d.grants["mixed-up"] = d.grants["run-1"]
	d.mu.Unlock()
	require.Equal(t, http.StatusUnauthorized, d.ask("mixed-up", "GET", state, "").status, "a grant is its own run's")
	d.mu.Lock()
	d.now = d.now.Add(2 * time.Hour)
	d.mu.Unlock()
	require.Equal(t, http.StatusUnauthorized, d.ask("run-1", "GET", state, "").status, "a grant ends")
	require.NotContains(t, d.logged(), "token-of")
	require.Empty(t, d.seen)
}

func TestAccess_NoOtherRoute(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for _, path := range []string{"/", "/metrics", "/healthz", "/api/v1/projects", "/stacks", "/stacks/" + bucket, state + "/", "/stacks/" + bucket + "/versions", "/runs/run-1", "/runs/run-1/log"} {
		require.Equal(t, http.StatusNotFound, d.ask("run-1", "GET", path, "").status, path)
	}
	require.Equal(t, http.StatusMethodNotAllowed, d.ask("run-1", "PUT", state, "").status)
	require.Equal(t, http.StatusMethodNotAllowed, d.ask("run-1", "GET", "/runs/run-1/alive", "").status)
}

func TestWrite_WhatIsRefused_SaysWhy(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	refused := func(a answer, status int, text string) {
		t.Helper()
		require.Equal(t, status, a.status, a.body)
		require.Contains(t, a.body, text)
	}
	refused(d.ask("run-1", "POST", state+"?ID=one", stateOf(1, "x")), http.StatusConflict, "does not hold the lock")
	require.Equal(t, http.StatusOK, d.ask("planner", "LOCK", state, lockOf("p")).status)
	refused(d.ask("planner", "POST", state+"?ID=p", stateOf(1, "x")), http.StatusForbidden, "run planner only plans")
	refused(d.ask("planner", "DELETE", state, ""), http.StatusForbidden, "run planner only plans")
	require.Equal(t, http.StatusOK, d.ask("planner", "UNLOCK", state, lockOf("p")).status)
	require.Equal(t, http.StatusOK, d.ask("run-1", "LOCK", state, lockOf("one")).status)
	require.Equal(t, http.StatusOK, d.ask("run-1", "POST", state+"?ID=one", stateOf(5, "x")).status)
	refused(d.ask("run-1", "POST", state, stateOf(6, "x")), http.StatusConflict, "another lock id")
	refused(d.ask("run-2", "POST", state+"?ID=one", stateOf(6, "x")), http.StatusConflict, "run run-1 (apply)")
	refused(d.ask("run-1", "POST", state+"?ID=one", stateOf(4, "x")), http.StatusConflict, "went back from serial 5")
	refused(d.ask("run-1", "POST", state+"?ID=one", stateOf(5, "y")), http.StatusConflict, "another state of serial 5")
	refused(d.ask("run-1", "POST", state+"?ID=one", strings.Replace(stateOf(6, "x"), `"l"`, `"m"`, 1)), http.StatusConflict, "lineage")
	refused(d.ask("run-1", "POST", state+"?ID=one", "hush"), http.StatusBadRequest, "not JSON")
	refused(d.ask("run-1", "POST", state+"?ID=one", stateOf(6, "x"), "Content-MD5", "AAAA"), http.StatusBadRequest, "Content-MD5")
	large := func() io.Reader { return io.LimitReader(forever{}, stack.MaxState+1) }
	refused(d.send("run-1", "token-of-run-1", "POST", state+"?ID=one", large()), http.StatusRequestEntityTooLarge, "32 MiB are kept at most")
	known := bytes.NewReader(bytes.Repeat([]byte{' '}, stack.MaxState+1))
	refused(d.send("run-1", "token-of-run-1", "POST", state+"?ID=one", known), http.StatusRequestEntityTooLarge, "32 MiB are kept at most")
	refused(d.ask("run-1", "DELETE", state, ""), http.StatusConflict, "still has 1 resources")

	require.Equal(t, stateOf(5, "x"), d.ask("run-1", "GET", state, "").body)
	require.NotContains(t, d.logged(), "hush")
	require.Contains(t, d.logged(), `"status":409`)
}

// forever is a body without a known length.
type forever struct{}

func (forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestDelete_EmptyState_IsNoneAfterwards(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	require.Equal(t, http.StatusOK, d.ask("run-1", "LOCK", state, lockOf("one")).status)
	require.Equal(t, http.StatusOK, d.ask("run-1", "POST", state+"?ID=one", `{"version":4,"serial":1,"lineage":"l","outputs":{},"resources":[]}`).status)
	require.Equal(t, http.StatusOK, d.ask("run-1", "DELETE", state, "").status)
	require.Equal(t, http.StatusNoContent, d.ask("run-1", "GET", state, "").status)
}

func TestRead_StackThatIsGone_IsNotAnEmptyState(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	require.NoError(t, d.stacks.Remove(t.Context(), bucket))
	a := d.ask("run-1", "GET", state, "")
	require.Equal(t, http.StatusConflict, a.status)
	require.Contains(t, a.body, "there is no stack")
}

func TestWrite_ABodyThatNeverEnds_KeepsNobodyElseWaiting(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.mu.Lock()
	d.grants["other"] = backend.Grant{Run: "other", Stack: "shop.dev.other", Write: true}
	d.mu.Unlock()
	body, w := io.Pipe()
	first := make(chan answer, 1)
	// It sends the body once it is told to, which is when it is read in.
	patient := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	go func() {
		first <- d.sendBy(patient, "run-1", "token-of-run-1", "POST", state+"?ID=one", body, "Expect", "100-continue")
	}()
	_, err := w.Write([]byte("{"))
	require.NoError(t, err)
	require.Equal(t, http.StatusTooManyRequests, d.ask("run-1", "POST", state+"?ID=one", "{}").status, "a run sends one state at a time")
	require.Equal(t, http.StatusOK, d.ask("other", "LOCK", "/stacks/shop.dev.other/state", lockOf("o")).status)
	require.Equal(t, http.StatusOK, d.ask("other", "POST", "/stacks/shop.dev.other/state?ID=o", stateOf(1, "x")).status)
	require.NoError(t, w.Close())
	require.Equal(t, http.StatusBadRequest, (<-first).status)
}

func TestAlive_OnlyForItself(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	require.Equal(t, http.StatusNoContent, d.ask("run-1", "POST", "/runs/run-1/alive", "").status)
	require.Equal(t, http.StatusForbidden, d.ask("run-1", "POST", "/runs/run-2/alive", "").status)
	require.Equal(t, http.StatusUnauthorized, d.ask("run-9", "POST", "/runs/run-9/alive", "").status)
	require.Equal(t, []string{"run-1"}, d.alive)
}

func TestLock_ManyEnginesAtOnce_OneHasIt(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	const engines = 10
	for i := range engines {
		d.allow(fmt.Sprint("e-", i), true)
	}
	statuses := make([]int, engines)
	var all sync.WaitGroup
	for i := range engines {
		all.Go(func() { statuses[i] = d.ask(fmt.Sprint("e-", i), "LOCK", state, lockOf(fmt.Sprint(i))).status })
	}
	all.Wait()
	count := map[int]int{}
	for _, s := range statuses {
		count[s]++
	}
	require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusLocked: engines - 1}, count)
}

func TestForceUnlock_TheEngineThatLostItsLock_WritesNoMore(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	require.Equal(t, http.StatusOK, d.ask("run-1", "LOCK", state, lockOf("one")).status)
	_, err := d.stacks.ForceUnlock(t.Context(), events.Cause{Actor: "user:default/ada"}, bucket, "it hangs")
	require.NoError(t, err)
	a := d.ask("run-1", "POST", state+"?ID=one", stateOf(1, "x"))
	require.Equal(t, http.StatusConflict, a.status)
	require.Contains(t, a.body, "may have been taken away")
	require.Equal(t, http.StatusOK, d.ask("run-2", "LOCK", state, lockOf("two")).status)
}

func TestListen_AfterARestart_TheSamePortOnLoopback(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := backend.Listen(dir, zerolog.Nop())
	require.NoError(t, err)
	require.True(t, l.Addr().(*net.TCPAddr).IP.IsLoopback())
	first := backend.URL(l)
	info, err := os.Stat(filepath.Join(dir, "backend.port"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, l.Close())
	l, err = backend.Listen(dir, zerolog.Nop())
	require.NoError(t, err)
	require.Equal(t, first, backend.URL(l))

	var log bytes.Buffer
	moved, err := backend.Listen(dir, zerolog.New(&log)) // the first still has it
	require.NoError(t, err)
	require.NotEqual(t, first, backend.URL(moved))
	require.Contains(t, log.String(), "port is taken")
	require.NoError(t, l.Close())
	second := backend.URL(moved)
	require.NoError(t, moved.Close())
	l, err = backend.Listen(dir, zerolog.Nop())
	require.NoError(t, err)
	require.Equal(t, second, backend.URL(l), "the new one is remembered")
	require.NoError(t, l.Close())
}

func TestListen_PortFileDamaged_IsANewPortAndLogged(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "nonsense", "0", "70000", "-1"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "backend.port"), []byte(text), 0o600))
		var log bytes.Buffer
		l, err := backend.Listen(dir, zerolog.New(&log))
		require.NoError(t, err, text)
		require.Contains(t, log.String(), "not known any more", text)
		require.NoError(t, l.Close())
	}
}
