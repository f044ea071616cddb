//go:build browser

// Package browser looks at the portal as people do: in a real Chromium, at
// narrow and wide, dark and light, by keyboard, and without JavaScript. It
// needs Chromium and what package.json names: make test-browser.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/tests/platform"
)

// binaries of this run; see platform.Main.
var binaries *platform.Binaries

func TestMain(m *testing.M) { os.Exit(platform.Main(m, &binaries)) }

// chromium finds the browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium: install the package chromium, or name one in CHROMIUM")
	return ""
}

// axe is the accessibility checker, as it is loaded into a page.
func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal("what package.json names is not installed: run make test-browser, or npm ci in tests/browser")
	}
	return string(source)
}

// look is how somebody looks: how wide, in which colours, with a script or not.
type look struct {
	width  int64
	colour string
	script bool
}

func (l look) String() string {
	if !l.script {
		return fmt.Sprintf("%d-%s-noscript", l.width, l.colour)
	}
	return fmt.Sprintf("%d-%s", l.width, l.colour)
}

// tab is one page in a browser.
type tab struct {
	t    *testing.T
	ctx  context.Context
	p    *platform.Platform
	look look
	axe  string
}

// open starts a browser of its own for a look.
func open(t *testing.T, p *platform.Platform, l look) *tab {
	t.Helper()
	mine := *p
	mine.T, p = t, &mine // what is waited for in vain is this look's failure
	flags := []chromedp.ExecAllocatorOption{
		chromedp.Headless, chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()),
	}
	for _, name := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	allocated, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, p: p, look: l}
	height := int64(900)
	if l.width < 600 {
		height = 740
	}
	// The first one begins the browser, which would end with a time limit of it.
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(l.width, height)))
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: l.colour}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	require.NoError(t, err)
	if !l.script {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		require.NoError(t, err)
	} else {
		b.axe = axe(t)
	}
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, platform.Patience)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, steps...))
}

// go opens a page by its address.
func (b *tab) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate("http://" + b.p.Listen + path))
}

func (b *tab) keys(text string) {
	b.t.Helper()
	for _, k := range strings.Split(text, "") {
		b.do(chromedp.KeyEvent(k))
	}
}

// sees waits until an element holds a text.
func (b *tab) sees(selector, text string) {
	b.t.Helper()
	last := ""
	b.p.Await(fmt.Sprintf("%q in %s (%s)", text, selector, b.look), func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, time.Second)
		defer cancel()
		got, err := chromedp.Run(ctx, chromedp.TextContent(chromedp.CSS(selector)))
		last = got
		return err == nil && strings.Contains(last, text)
	})
}

// at waits until the address is this.
func (b *tab) at(path string) {
	b.t.Helper()
	b.p.Await("the page "+path, func() bool {
		where, err := chromedp.Run(b.ctx, chromedp.Location())
		return err == nil && strings.HasPrefix(strings.TrimPrefix(where, "http://"+b.p.Listen), path)
	})
}

func evaluate[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, platform.Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, script)
	return v
}

// signIn goes through the sign-in page.
func (b *tab) signIn() {
	b.t.Helper()
	b.visit("/")
	b.at("/signin")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=token]"), b.p.Token()+"\r"), chromedp.WaitVisible(chromedp.CSS(".bar")))
}

// fine holds what is true of every page: it fits, nothing of it is refused by
// its own rules, and the accessibility checker finds no serious fault.
func (b *tab) fine(name string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS("#main h1")))
	if !b.look.script {
		b.picture(name)
		return
	}
	b.p.Await(name+" is loaded", func() bool {
		ready, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.readyState"))
		return err == nil && ready == "complete"
	})
	b.picture(name)
	wide := evaluate[int64](b, "document.documentElement.scrollWidth")
	require.LessOrEqual(b.t, wide, b.look.width, "%s is wider than the window (%s)", name, b.look)
	evaluate[bool](b, b.axe+";true")
	faults := evaluate[[]string](b, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
		.then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => v.id + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + " " + (n.any[0]?.message || "")).join(" | ")))`)
	require.Empty(b.t, faults, "%s (%s)", name, b.look)
}

// picture keeps a screenshot where SLIPWAY_SCREENSHOTS says; looking at them
// is a person's part of this test.
func (b *tab) picture(name string) {
	dir := os.Getenv("SLIPWAY_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	require.NoError(b.t, os.MkdirAll(dir, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, b.look.String()+"-"+name+".png"), png, 0o644))
}
