package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DeployRequest asks for a deployment. Artifact is "orders:1.4.0" or
// "orders@sha256:…"; "" takes the newest. EnvironmentType says how to make the
// environment where there is none.
type DeployRequest struct {
	Workload        string `json:"workload"`
	Environment     string `json:"environment"`
	EnvironmentType string `json:"environmentType,omitempty"`
	Artifact        string `json:"artifact,omitempty"`
	Strategy        string `json:"strategy,omitempty"`
	DryRun          bool   `json:"dryRun,omitempty"`
}

// Deploy returns the operation that deploys.
func (c *Client) Deploy(ctx context.Context, project string, r DeployRequest) (Operation, error) {
	var op Operation
	return op, c.Do(ctx, Request{Method: http.MethodPost, Path: ProjectPath(project, "deployments"), Body: r}, &op)
}

// PlanDeployment answers what Deploy would do, and its undo, without doing it.
func (c *Client) PlanDeployment(ctx context.Context, project string, r DeployRequest) (Object, error) {
	r.DryRun = true
	var o Object
	return o, c.Do(ctx, Request{Method: http.MethodPost, Path: ProjectPath(project, "deployments"), Body: r}, &o)
}

// RollbackRequest asks to deploy an older set again; To "" is the one before.
type RollbackRequest struct {
	Workload    string `json:"workload"`
	Environment string `json:"environment"`
	To          string `json:"to,omitempty"`
	DryRun      bool   `json:"dryRun,omitempty"`
}

// Rollback returns the operation that goes back.
func (c *Client) Rollback(ctx context.Context, project string, r RollbackRequest) (Operation, error) {
	var op Operation
	return op, c.Do(ctx, Request{Method: http.MethodPost, Path: ProjectPath(project) + "/deployments:rollback", Body: r}, &op)
}

// PlanRollback answers what Rollback would do, and its undo, without doing it.
func (c *Client) PlanRollback(ctx context.Context, project string, r RollbackRequest) (Object, error) {
	r.DryRun = true
	var o Object
	return o, c.Do(ctx, Request{Method: http.MethodPost, Path: ProjectPath(project) + "/deployments:rollback", Body: r}, &o)
}

// Artifact is an immutable build output.
type Artifact struct {
	Name     string    `json:"name"`
	Version  string    `json:"version,omitempty"`
	Digest   string    `json:"digest"`
	Size     int64     `json:"size,omitempty"`
	PushedAt time.Time `json:"pushedAt,omitzero"`
}

// PushArtifact stores a gzipped tar of a build output and its score.yaml.
func (c *Client) PushArtifact(ctx context.Context, project, name, version string, archive io.Reader) (Artifact, error) {
	var a Artifact
	return a, c.Do(ctx, Request{
		Method: http.MethodPut, Path: ProjectPath(project, "artifacts", name, version),
		Header: http.Header{"Content-Type": {"application/gzip"}}, Body: archive,
	}, &a)
}

// LogLine is one line that a workload wrote.
type LogLine struct {
	At       time.Time `json:"at,omitzero"`
	Instance string    `json:"instance,omitempty"`
	Line     string    `json:"line"`
}

// LogRequest says which lines are wanted: the last Tail (0 is all), and with
// Follow also what is written from now on.
type LogRequest struct {
	Environment string
	Follow      bool
	Tail        int
}

// Logs tells what a workload wrote, the oldest first.
func (c *Client) Logs(ctx context.Context, project, workload string, r LogRequest) iter.Seq2[LogLine, error] {
	q := url.Values{"environment": {r.Environment}, "tail": {strconv.Itoa(r.Tail)}}
	if r.Follow {
		q.Set("follow", "true")
	}
	return func(yield func(LogLine, error) bool) {
		header := http.Header{"Accept": {"text/event-stream, application/x-ndjson, text/plain"}}
		if !r.Follow {
			header.Set("Accept", "application/x-ndjson, text/plain, application/json")
		}
		res, err := c.Open(ctx, Request{Path: ProjectPath(project, "workloads", workload, "logs"), Query: q, Header: header})
		if err != nil {
			yield(LogLine{}, err)
			return
		}
		defer res.Body.Close()
		media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
		err = readLogs(media, res.Body, func(l LogLine) bool { return yield(l, nil) })
		if err != nil && ctx.Err() == nil {
			yield(LogLine{}, c.broken(err))
		}
	}
}

// readLogs reads a log in any of the forms an owner may answer in.
func readLogs(media string, body io.Reader, yield func(LogLine) bool) error {
	if media == "text/event-stream" {
		for m, err := range messages(body) {
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if !yield(logLine(m.data)) {
				return nil
			}
		}
		return nil
	}
	if media == "application/json" {
		var page Page[LogLine]
		if err := json.NewDecoder(body).Decode(&page); err != nil {
			return err
		}
		for _, l := range page.Items {
			if !yield(l) {
				return nil
			}
		}
		return nil
	}
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxMessage)
	for lines.Scan() {
		line := LogLine{Line: lines.Text()}
		if strings.Contains(media, "ndjson") {
			line = logLine(lines.Bytes())
		}
		if !yield(line) {
			return nil
		}
	}
	return lines.Err()
}

func logLine(data []byte) LogLine {
	var l LogLine
	if json.Unmarshal(data, &l) != nil {
		return LogLine{Line: string(data)}
	}
	return l
}
