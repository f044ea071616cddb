package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
)

// notice is that an artifact was announced: it fans out into one command per
// pipeline.
type notice struct {
	Artifact  string   `json:"artifact"`
	Pipelines []string `json:"pipelines"`
}

// Announcement says which artifact came out of what.
type Announcement struct {
	Project, Workload, Artifact, Repository, Commit, Event string
}

// FromPurl reads pkg:generic/orders@1.4.0 as orders:1.4.0; "" where it is no
// such thing.
func FromPurl(purl string) string {
	rest, ok := strings.CutPrefix(purl, "pkg:")
	if !ok {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "?")
	rest, _, _ = strings.Cut(rest, "#")
	at := strings.LastIndex(rest, "@")
	if at < 0 {
		return ""
	}
	name, err := url.PathUnescape(rest[strings.LastIndex(rest[:at], "/")+1 : at])
	if err != nil {
		return ""
	}
	version, err := url.PathUnescape(rest[at+1:])
	if err != nil {
		return ""
	}
	if strings.HasPrefix(version, "sha256:") {
		return name + "@" + version
	}
	return name + ":" + version
}

// Announced finds the pipelines that an artifact concerns, and commits one
// command to this service for each.
func (r *Runs) Announced(ctx context.Context, a Announcement, cause events.Cause) error {
	ref, err := artifact.ParseReference(a.Artifact)
	if err != nil {
		return nil // not one of ours: other forges announce images and packages too
	}
	all, err := r.pipelines.All(ctx, a.Project)
	if err != nil {
		return err
	}
	n := notice{Artifact: a.Artifact}
	var commands []events.Draft
	for _, p := range all {
		if !p.Matches(a.Workload, ref.Name, a.Repository) {
			continue
		}
		n.Pipelines = append(n.Pipelines, p.Name)
		draft, err := deployer.StartPipeline.Draft(a.Project, p.Name, deployer.StartPipelineData{
			Project: a.Project, Pipeline: p.Name, Workload: p.Spec.Workload, Artifact: a.Artifact,
			SourceRepository: a.Repository, Commit: a.Commit, Event: a.Event,
		})
		if err != nil {
			return err
		}
		commands = append(commands, draft)
	}
	if len(commands) == 0 {
		return nil
	}
	_, err = r.notices.Update(ctx, a.Project+"/"+cause.ID, cause, func(s *notice, exists bool) (aggregate.Decision, error) {
		if exists {
			return aggregate.Decision{Skip: true}, nil
		}
		*s = n
		return aggregate.Decision{Events: commands}, nil
	})
	return err
}

// RunID is the same for the same artifact of the same commit.
func RunID(d deployer.StartPipelineData) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{d.Project, d.Pipeline, normal(d.SourceRepository), d.Commit, d.Artifact}, "\n")))
	return "run-" + hex.EncodeToString(sum[:10])
}
