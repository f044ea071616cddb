package deployer_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPutArtifact_SameContentAgain_IsTheSameAndOtherContentIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	const path = project + "/artifacts/orders/1"
	code, text := p.call("PUT", path, release(t, "1"))
	require.Equal(t, 201, code, text)
	var a struct{ Digest, Workload string }
	require.NoError(t, json.Unmarshal([]byte(text), &a))
	require.Equal(t, "orders", a.Workload)
	code, again := p.call("PUT", path, release(t, "1"))
	require.Equal(t, 200, code)
	require.JSONEq(t, text, again)
	code, text = p.call("PUT", path, release(t, "2"))
	require.Equal(t, 409, code)
	require.Contains(t, text, "a version never changes; push it under a new one")
	// The same content under another version is another name of it.
	code, text = p.call("PUT", project+"/artifacts/orders/1-again", release(t, "1"))
	require.Equal(t, 201, code)
	require.Contains(t, text, a.Digest)
	var page struct{ Items []struct{ Version string } }
	p.get(project+"/artifacts?name=orders", &page)
	require.Len(t, page.Items, 2)
}

func TestPutArtifact_WhatWillNotDo_IsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for says, files := range map[string]map[string]string{
		"it has no score.yaml at its top":                          {"orders": "x"},
		"climbs out of its folder":                                 {"score.yaml": scoreOf(), "../evil": "x"},
		`"line":6,"column":5,"message":"unknown field \"imagee\""`: {"score.yaml": strings.Replace(scoreOf(), "image:", "imagee:", 1)},
		"placeholder ${resources.cahe.host} is undefined":          {"score.yaml": strings.Replace(scoreOf("cache"), "${resources.cache.host}", "${resources.cahe.host}", 1)},
		`did you mean ${resources.cache…}?`:                        {"score.yaml": strings.Replace(scoreOf("cache"), "${resources.cache.host}", "${resources.cahe.host}", 1)},
	} {
		code, text := p.call("PUT", project+"/artifacts/orders/1", archiveOf(t, files))
		require.Equal(t, 422, code, text)
		require.Contains(t, text, says)
	}
	code, text := p.call("PUT", project+"/artifacts/orders/1", []byte("this is no archive"))
	require.Equal(t, 422, code)
	require.Contains(t, text, "not gzip-compressed")
	code, _ = p.call("PUT", project+"/artifacts/Orders/1", release(t, "1"))
	require.Equal(t, 400, code)
	code, _ = p.call("PUT", project+"/artifacts/orders/-1", release(t, "1"))
	require.Equal(t, 400, code)
	var page struct{ Items []struct{} }
	p.get(project+"/artifacts", &page)
	require.Empty(t, page.Items)
	require.Empty(t, p.events("int.deployer.>"))
}

const pipelineText = `apiVersion: slipway.dev/v1alpha1
kind: Pipeline
metadata: {name: orders, project: shop}
spec:
  workload: orders
  source: {repository: https://github.com/acme/orders}
  waitForArtifact: 10m
  stages:
    - {environment: dev, type: development, strategy: blue-green}
`

type run struct{ ID, Status, Reason, Deployment, Artifact, CorrelationID string }

func (p *platform) runs() []run {
	var page struct{ Items []run }
	p.get(project+"/pipeline-runs", &page)
	return page.Items
}

func (p *platform) awaitRun(status string) run {
	p.t.Helper()
	var found run
	require.Eventually(p.t, func() bool {
		for _, r := range p.runs() {
			found = r
			if r.Status == status {
				return true
			}
		}
		return false
	}, 20*time.Second, 5*time.Millisecond, "no run is %s: %+v", status, found)
	return found
}

func TestPipeline_ArtifactAnnouncedBeforeItIsPushed_WaitsInSightAndGoesOnAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	code, text := p.apply(pipelineText)
	require.Equal(t, 200, code, text)
	require.Contains(t, text, `"result":"created"`)
	p.announce("orders:abc123", "https://github.com/Acme/orders.git", "abc123")
	waiting := p.awaitRun("waiting")
	require.Contains(t, waiting.Reason, "artifact orders:abc123 is not there yet")
	p.await("dev.slipway.deployer.deployment.held.")
	p.push("abc123")
	done := p.awaitRun("done")
	require.Equal(t, waiting.ID, done.ID)
	require.Equal(t, "done", p.ended(done.Deployment).Outcome)
	require.Equal(t, []string{"orders.1"}, p.machine.Existing())
	// One story from the announcement to the deployment.
	var d struct{ CorrelationID, Cause, PipelineRun string }
	p.get(project+"/deployments/"+done.Deployment, &d)
	require.Equal(t, waiting.CorrelationID, d.CorrelationID)
	require.Equal(t, "pipeline", d.Cause)
	require.Equal(t, done.ID, d.PipelineRun)
}

func TestPipeline_SameCommitAndArtifactTwice_IsOneRun(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.apply(pipelineText)
	p.push("abc123")
	p.announce("orders:abc123", "https://github.com/acme/orders", "abc123")
	p.awaitRun("done")
	p.announce("orders:abc123", "https://github.com/acme/orders", "abc123")
	// Another repository's, and another workload's artifact: not of this pipeline.
	p.announce("orders:abc123", "https://github.com/acme/other", "abc123")
	p.announce("storefront:abc123", "https://github.com/acme/orders", "abc123")
	// What comes after them has been handled after them.
	p.push("def456")
	p.announce("orders:def456", "https://github.com/acme/orders", "def456")
	require.Eventually(t, func() bool {
		all := p.runs()
		return len(all) == 2 && all[0].Status == "done"
	}, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, 2, p.machine.Starts())
}

func TestPipeline_ArtifactNeverComes_ExpiresInSight(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.apply(strings.Replace(pipelineText, "10m", "1s", 1))
	p.announce("orders:never", "https://github.com/acme/orders", "abc123")
	r := p.awaitRun("expired")
	require.Equal(t, "artifact orders:never was not there within 1s of being announced", r.Reason)
	p.await("dev.slipway.deployer.deployment.failed.")
}

func TestPipeline_BadDocuments_AreRefusedWithPlaceAndHint(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for says, change := range map[string][2]string{
		`unknown field \"worklod\"`:             {"  workload:", "  worklod:"},
		"a pipeline needs a stage to deploy to": {"  stages:\n    - {environment: dev, type: development, strategy: blue-green}\n", "  stages: []\n"},
		`did you mean \"blue-green\"?`:          {"strategy: blue-green", "strategy: bluegreen"},
		`\"acme/orders\" is not the URL`:        {"https://github.com/acme/orders", "acme/orders"},
		`\"soon\" is not a time span`:           {"10m", "soon"},
	} {
		code, text := p.apply(strings.Replace(pipelineText, change[0], change[1], 1))
		require.Equal(t, 422, code, text)
		require.Contains(t, text, says)
		require.Contains(t, text, `"source":"doc.yaml"`)
	}
	code, text := p.apply(strings.Replace(scoreOf(), "image:", "imge:", 1))
	require.Equal(t, 422, code, text)
	require.Contains(t, text, `did you mean \"image\"?`)
	code, text = p.apply(scoreOf("cache"))
	require.Equal(t, 200, code, text)
	code, text = p.apply(scoreOf("cache"))
	require.Equal(t, 200, code)
	require.Contains(t, text, `"result":"unchanged"`)
	var w struct {
		Origin    string
		Resources map[string]struct{ Type string }
	}
	p.get(project+"/workloads/orders", &w)
	require.Equal(t, "applied", w.Origin)
	require.Equal(t, "cache", w.Resources["cache"].Type)
}

func TestLogs_OfWhatRuns_AreLinesAndOfWhatDoesNotSayWhereToLook(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ended(p.deploy(p.push("1")))
	code, text := p.call("GET", project+"/workloads/orders/logs?environment=dev", nil)
	require.Equal(t, 200, code)
	require.Contains(t, text, `"instance":"orders.1","stream":"stdout","line":"serving"`)
	code, text = p.call("GET", project+"/workloads/orders/logs?environment=prod", nil)
	require.Equal(t, 404, code)
	require.Contains(t, text, "It does not run in prod")
	code, _ = p.call("GET", project+"/workloads/orders/logs", nil)
	require.Equal(t, 400, code)
}
