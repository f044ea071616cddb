package portal_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/portal"
	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
)

// site is the real portal before a fake of the API, and a browser.
type site struct {
	t       *testing.T
	api     *api
	url     string
	browser *http.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	a := newAPI(t)
	listener := service.NewMemoryListener("portal")
	svc, err := portal.New(portal.Config{
		Deps:    service.Deps{Name: portal.Name, Listener: listener, Log: zerolog.Nop(), Clock: func() time.Time { return now }, DataDir: t.TempDir()},
		Gateway: service.Owner{BaseURL: a.server.URL}, Version: "test", Heartbeat: 50 * time.Millisecond,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended) })
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &site{t: t, api: a, url: "http://portal", browser: &http.Client{
		Transport: listener.Owner().Transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// signedIn is a site with the small shop in it and somebody who is signed in.
func signedIn(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.api.fill("orders")
	s.signIn(token)
	return s
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s *site) do(method, path string, form url.Values, header ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(form.Encode()))
	require.NoError(s.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := s.browser.Do(r)
	require.NoError(s.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return answer{res.StatusCode, res.Header, string(body)}
}

func (s *site) get(path string, header ...string) answer {
	s.t.Helper()
	return s.do("GET", path, nil, header...)
}

var proofField = regexp.MustCompile(`name="csrf" value="([^"]*)"`)

// proof is what the forms of a page hold.
func (s *site) proof(path string) string {
	s.t.Helper()
	found := proofField.FindStringSubmatch(s.get(path).body)
	require.NotNil(s.t, found, path)
	return found[1]
}

func (s *site) signIn(with string) answer {
	s.t.Helper()
	return s.do("POST", "/signin", url.Values{"csrf": {s.proof("/signin")}, "token": {with}, "next": {"/catalog"}})
}

// paths are every page of the small shop.
func paths() []string {
	return []string{
		"/", "/catalog", "/catalog?kind=component", "/catalog/component/default/orders", "/catalog/group/default/acme", "/catalog/user/default/ada",
		"/environments", "/projects/shop/environments/dev", "/projects/shop/environments/pr-7", "/projects/shop/environments/dev/resources/orders.cache",
		"/deployments", "/projects/shop/deployments/dpl-0000000000000000000a", "/projects/shop/deployments/dpl-0000000000000000000b", "/projects/shop/sets/34f54c91",
		"/runs", "/runs?status=waiting", "/projects/shop/runs/run-0000000000000000000d",
		"/sagas", "/sagas/dpl-0000000000000000000b", "/sagas/env-0000000000000000000c",
		"/timelines", "/timelines/" + story, "/timelines/" + story + "/events/id-1", "/explorer", "/explorer?q=orders",
		"/event-types", "/event-types/" + failedType, "/projects", "/projects/shop", "/search", "/search?q=ord",
	}
}

var (
	inline = regexp.MustCompile(`(?i)<[^>]+\s(style|on[a-z]+)\s*=|<style|<script(?:>|\s+[^s])|javascript:`)
	quoted = regexp.MustCompile(`"[^"]*"`)
	href   = regexp.MustCompile(`href="([^"#]*)[^"]*"`)
)

func TestPages_EachHasOneSubjectOneSentenceAndNothingInline(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	for _, path := range paths() {
		a := s.get(path)
		require.Equal(t, http.StatusOK, a.status, path)
		require.Equal(t, 1, strings.Count(a.body, "<h1"), path)
		require.Equal(t, 1, strings.Count(a.body, `class="say"`), path)
		require.Equal(t, 1, strings.Count(a.body, "<main"), path)
		require.NotRegexp(t, inline, quoted.ReplaceAllString(a.body, `"s"`), path)
		require.NotContains(t, a.body, "ZgotmplZ", "%s: a value was put where it may not be", path)
		require.NotContains(t, a.body, "&lt;no value&gt;", path)
		require.Regexp(t, `<title>[^<]+ · Slipway</title>`, a.body, path)
	}
}

func TestPages_EveryLinkOfOurs_LeadsSomewhere(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	seen, queue := map[string]bool{}, paths()
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] || strings.HasPrefix(path, "/events/") { // the gateway's own
			continue
		}
		seen[path] = true
		a := s.get(path)
		require.Equal(t, http.StatusOK, a.status, path)
		for _, m := range href.FindAllStringSubmatch(a.body, -1) {
			if to := strings.ReplaceAll(m[1], "&amp;", "&"); strings.HasPrefix(to, "/") {
				queue = append(queue, to)
			}
		}
	}
	require.Greater(t, len(seen), 40)
}

func TestPages_SayToABrowserWhatTheyMayDo(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	for _, path := range []string{"/", "/signin", "/nonsense"} {
		h := s.get(path).header
		csp := h.Get("Content-Security-Policy")
		require.Contains(t, csp, "default-src 'none'", path)
		require.Contains(t, csp, "frame-ancestors 'none'", path)
		require.NotContains(t, csp, "unsafe", path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"), path)
	}
}

func TestPages_HostileNames_AreTextEverywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const name = `<script>alert(1)</script>`
	s.api.fill(name)
	s.signIn(token)
	hostile := append(paths(), "/catalog/component/default/"+url.PathEscape(name), "/projects/shop/environments/dev/resources/"+url.PathEscape(name+".cache"),
		"/explorer?q="+url.QueryEscape(`"><img src=x onerror=alert(1)>`), "/search?q="+url.QueryEscape(name), "/search?part=1&q="+url.QueryEscape(name))
	for _, path := range hostile {
		a := s.get(path)
		require.NotContains(t, a.body, "<script>alert", path)
		require.NotContains(t, a.body, "<img", path)
		require.NotRegexp(t, inline, quoted.ReplaceAllString(a.body, `"s"`), path)
	}
}

func TestFront_SaysWhatNeedsSomebody(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	body := s.get("/").body
	require.Contains(t, body, "3 things need somebody, nothing is in flight and 1 environment expires within a day.")
	require.Contains(t, body, "environment pr-9 is parked")
	require.Contains(t, body, "bucket: the server does not answer")
	require.Contains(t, body, "orders v3 failed in dev")
	require.Contains(t, body, "waits for somebody&#39;s word")
	require.Contains(t, body, "in 3 h")
	require.Contains(t, body, "Your services")
}

func TestFront_AnOwnerIsAway_TheRestIsShown(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	s.api.change(func() { s.api.away = "/api/v1/entities" })
	a := s.get("/")
	require.Equal(t, http.StatusOK, a.status)
	require.Contains(t, a.body, "the catalog cannot be shown just now")
	require.Contains(t, a.body, "environment pr-9 is parked")
}

func TestFront_NothingThereYet_Teaches(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn(token)
	require.Contains(t, s.get("/").body, "slipway apply -f deploy/examples/shop")
	require.Contains(t, s.get("/environments").body, "kind: Environment")
	require.Contains(t, s.get("/catalog").body, "kind: Component")
	require.Contains(t, s.get("/projects").body, "kind: Project")
	require.Contains(t, s.get("/deployments").body, "slipway artifact push")
}

func TestDeployment_Failed_IsUnderstoodAtOnce(t *testing.T) {
	t.Parallel()
	body := signedIn(t).get("/projects/shop/deployments/dpl-0000000000000000000b").body
	require.Contains(t, body, "orders v3 failed at verify after 480 ms and was undone; v1 runs in dev.")
	require.Contains(t, body, "orders.3 stopped", "the undo of a step stands beside it")
	require.Contains(t, body, "boom   (2 times)\nstopped")
	require.Contains(t, body, "by own-artifacts", "what policy said stands at its step")
	require.Contains(t, body, "slipway timeline "+story)
}

func TestRun_Waiting_ShowsThePlanBeforeTheButton(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	const path = "/projects/shop/runs/run-0000000000000000000d"
	body := s.get(path).body
	require.Contains(t, body, "The plan waits for somebody&#39;s word: owners asks for an approval.")
	require.Contains(t, body, "terraform_data.bucket")
	require.NotContains(t, body, "terraform_data.same", "what stays as it is is no change")
	require.Contains(t, body, "(secret)")
	require.Contains(t, body, "Plan: 1 to add &lt;b&gt;now&lt;/b&gt;", "without the colours of a terminal")
	require.Contains(t, body, `name="digest" value="sha256:0123456789"`)
	a := s.do("POST", path, url.Values{"csrf": {s.proof(path)}, "do": {"approve"}, "digest": {"sha256:0123456789"}})
	require.Equal(t, http.StatusSeeOther, a.status)
	require.Equal(t, []string{`/api/v1/projects/shop/runs/run-0000000000000000000d/approve {"digest":"sha256:0123456789"}`}, s.api.writes(), "what was looked at is what is approved")
}

func TestResource_SecretOutput_IsAName(t *testing.T) {
	t.Parallel()
	body := signedIn(t).get("/projects/shop/environments/dev/resources/orders.cache").body
	require.Contains(t, body, "resource/dev/cache/password")
	require.Contains(t, body, "made by local-redis with local, for orders")
}

func TestEnvironment_DrawsItsGraph_AndATableBeside(t *testing.T) {
	t.Parallel()
	body := signedIn(t).get("/projects/shop/environments/dev").body
	require.Equal(t, 3, strings.Count(body, `<rect class="box`))
	require.Equal(t, 2, strings.Count(body, `class="edge"`), "orders needs its cache, which needs a disk")
	require.Contains(t, body, "local-volume")
}

func TestSignIn_GoodToken_IsKeptSealed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.signIn(token)
	require.Equal(t, http.StatusSeeOther, a.status)
	require.Equal(t, "/catalog", a.header.Get("Location"))
	cookies := strings.Join(a.header.Values("Set-Cookie"), "\n")
	require.Contains(t, cookies, "slipway_portal=")
	require.Contains(t, cookies, "HttpOnly")
	require.Contains(t, cookies, "SameSite=Strict")
	require.NotContains(t, cookies, token)
	require.Equal(t, http.StatusOK, s.get("/").status)
	s.api.mu.Lock()
	defer s.api.mu.Unlock()
	for _, h := range s.api.headers {
		require.Empty(t, h.Get("Cookie"), "the portal's cookie is nobody else's business")
	}
}

func TestSignIn_BadOrTakenBackToken_IsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.signIn("slp_bad")
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Contains(t, a.body, "not known here")
	require.NotContains(t, a.body, "slp_bad")
	s.signIn(token)
	require.Equal(t, http.StatusOK, s.get("/catalog").status)
	s.api.change(func() { s.api.revoked = true })
	a = s.get("/catalog")
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Contains(t, a.body, "no longer signed in")
	require.Contains(t, strings.Join(a.header.Values("Set-Cookie"), "\n"), "slipway_portal=; Path=/; Max-Age=0")
}

func TestSignIn_GoesOnWhereOneWas_AndNeverElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.get("/sagas?status=open")
	require.Equal(t, "/signin?next=%2Fsagas%3Fstatus%3Dopen", a.header.Get("Location"))
	for next, want := range map[string]string{
		"/sagas?status=open": "/sagas?status=open", "https://evil.example/": "/", "//evil.example/x": "/", `/\evil.example`: "/", "": "/", "/signin": "/", "javascript:alert(1)": "/",
	} {
		one := newSite(t)
		a := one.do("POST", "/signin", url.Values{"csrf": {one.proof("/signin")}, "token": {token}, "next": {next}})
		require.Equal(t, want, a.header.Get("Location"), next)
	}
}

func TestSignOut_TheCookieIsGone(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	require.Equal(t, http.StatusForbidden, s.do("POST", "/signout", url.Values{}).status, "without a proof somebody else could do it")
	require.Equal(t, http.StatusSeeOther, s.do("POST", "/signout", url.Values{"csrf": {s.proof("/sagas")}}).status)
	require.Equal(t, http.StatusSeeOther, s.get("/catalog").status)
}

func TestCredentials_ThatCameAlong_ArePassedOnAsTheyAre(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	require.Equal(t, http.StatusOK, s.get("/catalog", "Authorization", "Bearer "+token).status)
	require.Equal(t, http.StatusOK, s.get("/catalog", "Cookie", "slipway_session=good; other=private").status)
	s.api.mu.Lock()
	defer s.api.mu.Unlock()
	require.Equal(t, "slipway_session=good", s.api.headers[len(s.api.headers)-1].Get("Cookie"))
}

func TestForms_WithoutProofOrFromElsewhere_DoNothing(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	good := url.Values{"csrf": {s.proof("/sagas/env-0000000000000000000c")}, "do": {"retry"}}
	stranger := signedIn(t)
	for name, try := range map[string]func() answer{
		"no proof": func() answer { return s.do("POST", "/sagas/env-0000000000000000000c", url.Values{"do": {"retry"}}) },
		"a wrong one": func() answer {
			return s.do("POST", "/sagas/env-0000000000000000000c", url.Values{"do": {"retry"}, "csrf": {"x"}})
		},
		"another's": func() answer {
			return s.do("POST", "/sagas/env-0000000000000000000c", url.Values{"do": {"retry"}, "csrf": {stranger.proof("/sagas/env-0000000000000000000c")}})
		},
		"another site": func() answer {
			return s.do("POST", "/sagas/env-0000000000000000000c", good, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
		},
		"same site": func() answer {
			return s.do("POST", "/sagas/env-0000000000000000000c", good, "Sec-Fetch-Site", "same-site")
		},
		"sign in": func() answer { return newSite(t).do("POST", "/signin", url.Values{"token": {token}}) },
	} {
		a := try()
		require.Equal(t, http.StatusForbidden, a.status, name)
	}
	require.Empty(t, s.api.writes())
	a := s.do("POST", "/sagas/env-0000000000000000000c", good, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusSeeOther, a.status)
	require.Equal(t, []string{`/api/v1/sagas/env-0000000000000000000c/retry {"step":""}`}, s.api.writes())
	require.Contains(t, s.get(a.header.Get("Location")).body, "It is being tried again.")
}

func TestActions_AskTheAPIWhatTheCLIWould(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	proof := s.proof("/sagas/env-0000000000000000000c")
	for _, one := range []struct {
		path string
		form url.Values
		want string
	}{
		{"/sagas/env-0000000000000000000c", url.Values{"do": {"skip"}, "step": {"bucket"}}, `/api/v1/sagas/env-0000000000000000000c/skip {"step":"bucket"}`},
		{"/sagas/env-0000000000000000000c", url.Values{"do": {"adopt"}, "step": {"bucket"}}, `/api/v1/sagas/env-0000000000000000000c/adopt {"step":"bucket"}`},
		{"/sagas/env-0000000000000000000c", url.Values{"do": {"abort"}, "reason": {"no longer needed"}}, `/api/v1/sagas/env-0000000000000000000c/abort {"reason":"no longer needed"}`},
		{"/projects/shop/environments/pr-7/extend", url.Values{"ttl": {"48h"}}, `/api/v1/projects/shop/environments/pr-7/extend {"ttl":"48h"}`},
		{"/projects/shop/deployments/dpl-0000000000000000000a/rollback", url.Values{}, `/api/v1/projects/shop/deployments:rollback {"environment":"dev","to":"e07a4100","workload":"orders"}`},
	} {
		one.form.Set("csrf", proof)
		a := s.do("POST", one.path, one.form)
		require.Equal(t, http.StatusSeeOther, a.status, a.body)
		writes := s.api.writes()
		require.Equal(t, one.want, writes[len(writes)-1])
	}
	before := len(s.api.requests())
	a := s.do("POST", "/projects/shop/environments/pr-7/delete", url.Values{"csrf": {proof}, "name": {"pr-8"}})
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.NotContains(t, s.api.requests()[before:], "DELETE /api/v1/projects/shop/environments/pr-7", "its name was not typed")
}

func TestWeight_FiveHundredEntities_TheFirstPageIsLight(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	s.api.change(func() {
		for range 497 {
			e := s.api.entities[0]
			e.Metadata.Description = strings.Repeat("long ", 30)
			s.api.entities = append(s.api.entities, e)
		}
		for range 5000 {
			s.api.events = append(s.api.events, s.api.events[0])
		}
	})
	for _, path := range []string{"/", "/catalog", "/explorer", "/deployments"} {
		a := s.get(path)
		total := len(a.body)
		for _, m := range regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"`).FindAllStringSubmatch(a.body, -1) {
			asset := s.get(m[1])
			require.Equal(t, http.StatusOK, asset.status, m[1])
			require.Contains(t, asset.header.Get("Cache-Control"), "immutable")
			total += len(asset.body)
		}
		require.Less(t, total, 150<<10, "%s, with all that it loads and not compressed", path)
	}
}

func TestExplorer_ShowsTheNewestFirst_AndAsksForNoMore(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	s.api.change(func() {
		for i := range 300 {
			s.api.events = append(s.api.events, client.Event{ID: "late", Source: "/slipway/x", Type: "dev.slipway.x.v1", Subject: "number-" + string(rune('a'+i%26)), CorrelationID: story, Time: now})
		}
	})
	before := len(s.api.requests())
	body := s.get("/explorer").body
	require.Equal(t, 100, strings.Count(body, `class="pin`))
	require.Equal(t, 1, count(s.api.requests()[before:], "GET /events"))
}

func count(all []string, one string) int {
	return len(slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s != one }))
}

// follow opens a live connection and returns its lines.
func (s *site) follow(path string) <-chan string {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", s.url+path, nil)
	require.NoError(s.t, err)
	r.Header.Set("Accept", "text/event-stream")
	res, err := s.browser.Do(r)
	require.NoError(s.t, err)
	require.Equal(s.t, "text/event-stream", res.Header.Get("Content-Type"))
	lines, ended := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(ended)
		for scan := bufio.NewScanner(res.Body); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	s.t.Cleanup(func() { cancel(); _ = res.Body.Close(); <-ended })
	return lines
}

func await(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case line := <-lines:
			if strings.Contains(line, want) {
				return
			}
		case <-limit:
			require.FailNow(t, "it never came: "+want)
		}
	}
}

func TestLive_SomethingHappened_ThePageIsTold(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	lines := s.follow("/live?watch=all")
	s.api.live <- client.Event{ID: "1", Type: "a.b", Source: "/x"}
	await(t, lines, "event: changed")
	await(t, lines, ": still here")
}

func TestLive_Explorer_IsGivenRowsThatAreText(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	lines := s.follow("/live?watch=rows")
	s.api.live <- client.Event{ID: "1", Type: "a.b", Source: "/x", Subject: "<script>alert(1)</script>"}
	await(t, lines, "event: row")
	line := <-lines
	require.Contains(t, line, "alert(1)")
	require.NotContains(t, line, "script>alert")
}

func TestLive_NobodyIsSignedIn_IsRefused(t *testing.T) {
	t.Parallel()
	require.Equal(t, http.StatusUnauthorized, newSite(t).get("/live?watch=all").status)
}

func TestPages_TheGatewayIsGone_SaysSo(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	s.api.server.Close()
	a := s.get("/catalog")
	require.Equal(t, http.StatusBadGateway, a.status)
	require.Contains(t, a.body, "Slipway does not answer.")
}

func TestFromAnotherSite_TheCookieComesWithTheNextStep(t *testing.T) {
	t.Parallel()
	a := newSite(t).get("/sagas", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "0", a.header.Get("Refresh"))
	require.Contains(t, a.body, `href="/sagas"`)
}

func TestPages_ZippedForWhoTakesIt(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	a := s.get("/catalog", "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", a.header.Get("Content-Encoding"))
	require.Less(t, len(a.body), 8<<10)
}

func TestEveryState_HasItsShapeWordAndColour(t *testing.T) {
	t.Parallel()
	s := signedIn(t)
	s.api.change(func() {
		d := s.api.deployments[0]
		d.ID, d.Outcome, d.Status = "dpl-run", "running", "running"
		h := d
		h.ID, h.Outcome = "dpl-held", "needs-approval"
		s.api.deployments = append(s.api.deployments, d, h, gateway.Deployment{ID: "dpl-denied", Outcome: "denied", CreatedAt: now})
	})
	body := s.get("/deployments").body
	for state, word := range map[string]string{"running": "running", "succeeded": "deployed", "attention": "needs approval", "failed": "failed, undone"} {
		require.Contains(t, body, `<span class="mark `+state+`"><svg aria-hidden="true"><use href="#s-`+state+`"/></svg>`+word+`</span>`)
		require.Contains(t, body, `<symbol id="s-`+state+`"`)
	}
}
