package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// scoreResources reads what a Score document asks for.
func scoreResources(d document.Document) (map[string]client.Resource, error) {
	var score struct {
		Resources map[string]client.Resource `json:"resources"`
	}
	if err := json.Unmarshal(d.JSON(), &score); err != nil {
		return nil, faulty([]httpapi.Fault{d.Fault("/resources", "these are not resources as Score writes them: "+err.Error(), "")})
	}
	return score.Resources, nil
}

// workloadResources reads what an applied workload asks for.
func workloadResources(ctx context.Context, c *client.Client, project, name string) (map[string]client.Resource, error) {
	var workload struct {
		Resources map[string]client.Resource `json:"resources"`
		Score     struct {
			Resources map[string]client.Resource `json:"resources"`
		} `json:"score"`
	}
	err := c.Do(ctx, client.Request{Path: client.ProjectPath(project, "workloads", name)}, &workload)
	var missing *client.Problem
	if errors.As(err, &missing) && missing.Status == http.StatusNotFound {
		with := *missing
		with.Detail += " Or name its Score file with -f."
		return nil, &with
	}
	if workload.Resources == nil {
		workload.Resources = workload.Score.Resources
	}
	return workload.Resources, err
}

// faulty turns faults found here into the problem they would be as an answer.
func faulty(faults []httpapi.Fault) error {
	p := httpapi.Unprocessable(faults...)
	out := &client.Problem{Type: p.Type, Title: p.Title, Status: p.Status, Detail: p.Detail + "."}
	for _, f := range faults {
		out.Errors = append(out.Errors, client.Fault(f))
	}
	return out
}
