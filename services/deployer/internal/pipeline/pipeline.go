// Package pipeline knows what is deployed when somebody says that an artifact
// was published: Pipeline documents, and the runs that come of them.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
	"github.com/slipway-idp/slipway/services/deployer/internal/deployment"
)

// DefaultWait is how long a run waits for its artifact to be pushed.
const DefaultWait = 10 * time.Minute

// Spec is a Pipeline document's spec.
type Spec struct {
	Workload string `json:"workload" description:"The workload that it deploys."`
	// Artifact is which artifact names concern it; * stands for anything. The
	// workload's name where it is empty.
	Artifact string  `json:"artifact,omitempty"`
	Source   *Source `json:"source,omitempty"`
	// WaitForArtifact is how long a run waits for an artifact that was
	// announced and is not there yet.
	WaitForArtifact document.Duration `json:"waitForArtifact,omitempty"`
	Stages          []Stage           `json:"stages"`
}

// Source narrows a pipeline to what comes from one repository.
type Source struct {
	Repository string `json:"repository"`
}

// Stage is one place that a run deploys to.
type Stage struct {
	Environment string `json:"environment"`
	Type        string `json:"type,omitempty"`
	Strategy    string `json:"strategy,omitempty"`
}

// Pipeline is a Pipeline as it is kept.
type Pipeline struct {
	Project string `json:"project"`
	Name    string `json:"name"`
	Spec    Spec   `json:"spec"`
}

// Matches says whether an announced artifact concerns the pipeline. workload
// and repository may be "", where whoever announced it did not say.
func (p Pipeline) Matches(workload, name, repository string) bool {
	if workload != "" && workload != p.Spec.Workload {
		return false
	}
	if p.Spec.Source != nil && !sameRepository(p.Spec.Source.Repository, repository) {
		return false
	}
	pattern := p.Spec.Artifact
	if pattern == "" {
		pattern = p.Spec.Workload
	}
	return artifact.Matches(pattern, name)
}

func sameRepository(a, b string) bool {
	return a != "" && normal(a) == normal(b)
}

func normal(repository string) string {
	r := strings.ToLower(strings.TrimSpace(repository))
	return strings.TrimSuffix(strings.TrimSuffix(r, "/"), ".git")
}

// Pipelines keeps Pipeline documents.
type Pipelines struct {
	repo *aggregate.Repository[Pipeline]
}

// NewPipelines makes it over a service's store.
func NewPipelines(s store.Store, service string, clock func() time.Time) *Pipelines {
	return &Pipelines{aggregate.New(s, aggregate.Options[Pipeline]{Service: service, Kind: "pipeline", Clock: clock, Indexes: func(p *Pipeline) store.Indexes {
		return store.Indexes{"project": {p.Project}}
	}})}
}

// Versioned is a pipeline with its version.
type Versioned = aggregate.Versioned[Pipeline]

// Get returns a pipeline; store.ErrNotFound where there is none.
func (p *Pipelines) Get(ctx context.Context, project, name string) (Versioned, error) {
	return p.repo.Get(ctx, project+"/"+name)
}

// List is a page of a project's pipelines, by name.
func (p *Pipelines) List(ctx context.Context, project string, limit int, cursor string) ([]Versioned, string, error) {
	return p.repo.List(ctx, aggregate.Filter{Where: []store.Term{{Index: "project", Value: project}}, Limit: limit, Cursor: cursor})
}

// All are all pipelines of a project.
func (p *Pipelines) All(ctx context.Context, project string) ([]Pipeline, error) {
	var out []Pipeline
	for cursor := ""; ; {
		page, next, err := p.List(ctx, project, store.MaxLimit, cursor)
		if err != nil {
			return nil, err
		}
		for _, v := range page {
			out = append(out, v.State)
		}
		if next == "" {
			return out, nil
		}
		cursor = next
	}
}

// Remove takes a pipeline away; its runs go on.
func (p *Pipelines) Remove(ctx context.Context, project, name string, cause events.Cause) error {
	_, err := p.repo.Update(ctx, project+"/"+name, cause, func(_ *Pipeline, exists bool) (aggregate.Decision, error) {
		if !exists {
			return aggregate.Decision{}, store.ErrNotFound
		}
		return aggregate.Decision{Delete: true}, nil
	})
	return err
}

// Documents is how Pipeline documents are applied.
func (p *Pipelines) Documents(cause func(context.Context) events.Cause) docapi.Kind {
	return docapi.Kind{
		Check: func(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
			_, faults := read(item)
			return faults, nil
		},
		Preview: func(ctx context.Context, item docapi.Item) (have, want any, err error) {
			next, _ := read(item)
			v, err := p.Get(ctx, item.Project, item.Metadata.Name)
			if errors.Is(err, store.ErrNotFound) {
				return nil, nil, nil
			}
			return map[string]any{"spec": v.State.Spec}, map[string]any{"spec": next}, err
		},
		Schema: docapi.SchemaOf[Spec]("Pipeline", "Which artifacts are deployed, and through which environments.", "workload", "stages"),
		Apply: func(ctx context.Context, item docapi.Item) (docapi.Result, error) {
			spec, faults := read(item)
			if len(faults) > 0 {
				return docapi.Result{}, httpapi.Unprocessable(faults...)
			}
			result := docapi.Unchanged
			v, err := p.repo.Update(ctx, item.Project+"/"+item.Metadata.Name, cause(ctx), func(s *Pipeline, exists bool) (aggregate.Decision, error) {
				next := Pipeline{Project: item.Project, Name: item.Metadata.Name, Spec: spec}
				switch {
				case exists && equal(*s, next):
					result = docapi.Unchanged
					return aggregate.Decision{Skip: true}, nil
				case exists:
					result = docapi.Updated
				default:
					result = docapi.Created
				}
				*s = next
				return aggregate.Decision{}, nil
			})
			return docapi.Result{Result: result, Version: v.Version,
				Location: "/api/v1/projects/" + item.Project + "/pipelines/" + item.Metadata.Name}, err
		},
	}
}

func equal(a, b Pipeline) bool { return fmt.Sprintf("%+v", flat(a)) == fmt.Sprintf("%+v", flat(b)) }

// flat has no pointer in it, so that it prints as what it is.
func flat(p Pipeline) any {
	source := Source{}
	if p.Spec.Source != nil {
		source = *p.Spec.Source
	}
	p.Spec.Source = nil
	return struct {
		P Pipeline
		S Source
	}{p, source}
}

// read takes the spec out of a document and says everything that is wrong.
func read(item docapi.Item) (Spec, []httpapi.Fault) {
	var s Spec
	faults := item.Spec(&s)
	if len(faults) > 0 {
		return s, faults
	}
	fault := func(pointer, message, hint string) { faults = append(faults, item.Fault(pointer, message, hint)) }
	if artifact.ValidName(item.Metadata.Name) != nil {
		fault("/metadata/name", fmt.Sprintf("%q is not a name", item.Metadata.Name), "a-z, 0-9 and - inside, at most 63")
	}
	if item.Project == "" {
		fault("/metadata/project", "a pipeline belongs to a project", "set metadata.project, or --project")
	}
	switch {
	case s.Workload == "":
		fault("/spec/workload", "which workload it deploys is missing", "")
	case artifact.ValidName(s.Workload) != nil:
		fault("/spec/workload", fmt.Sprintf("%q is not a workload's name", s.Workload), "a-z, 0-9 and - inside, at most 63")
	}
	if s.Source != nil {
		if u, err := url.Parse(s.Source.Repository); err != nil || u.Host == "" {
			fault("/spec/source/repository", fmt.Sprintf("%q is not the URL of a repository", s.Source.Repository), "such as https://github.com/acme/orders")
		}
	}
	if len(s.Stages) == 0 {
		fault("/spec/stages", "a pipeline needs a stage to deploy to", "stages: [{environment: dev, type: development}]")
	}
	for i, stage := range s.Stages {
		at := fmt.Sprintf("/spec/stages/%d", i)
		if artifact.ValidName(stage.Environment) != nil {
			fault(at+"/environment", fmt.Sprintf("%q is not an environment's name", stage.Environment), "a-z, 0-9 and - inside, at most 63")
		}
		switch stage.Strategy {
		case "", deployment.BlueGreen, deployment.Recreate:
		default:
			hint := "blue-green or recreate"
			if near := document.Nearest(stage.Strategy, []string{deployment.BlueGreen, deployment.Recreate}); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			fault(at+"/strategy", fmt.Sprintf("there is no strategy %q", stage.Strategy), hint)
		}
	}
	if s.WaitForArtifact == 0 {
		s.WaitForArtifact = document.Duration(DefaultWait)
	}
	return s, faults
}

// ErrNoPipeline says that a command named a pipeline that is gone.
var ErrNoPipeline = errors.New("the pipeline is gone")
