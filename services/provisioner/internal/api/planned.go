package api

import (
	"context"
	"encoding/json"
	"errors"

	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/environment"
)

// maxPlanned bounds, in bytes of JSON, what a dry run tells of the changes of
// all its plans together; the rest is with the runs.
const maxPlanned = 256 << 10

// planned adds to the steps of a dry run what the engines would do.
func (a *API) planned(ctx context.Context, steps []environment.PlannedStep) ([]pe.PlannedResource, error) {
	out := make([]pe.PlannedResource, 0, len(steps))
	left := maxPlanned
	for _, st := range steps {
		p := pe.PlannedResource{
			ID: st.ID, Kind: st.Kind, Title: st.Title, After: st.After, Action: st.Action, Definition: st.Definition,
			Driver: st.Driver, Summary: st.Summary, Run: st.Run, Undo: st.Undo,
		}
		if st.Run != "" {
			r, err := a.Runs.Get(ctx, st.Run)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			told := r.Changes
			for len(told) > 0 {
				raw, err := json.Marshal(told)
				if err != nil {
					return nil, err
				}
				if len(raw) <= left {
					p.Changes, left = raw, left-len(raw)
					break
				}
				told = told[:len(told)/2]
			}
			p.Omitted = len(r.Changes) - len(told)
		}
		out = append(out, p)
	}
	return out, nil
}

// PlanRPC answers pe.PlanSubject: what a workload's resources would need.
func (a *API) PlanRPC(ctx context.Context, body []byte) ([]byte, error) {
	var cmd pe.EnsureResourcesData
	if err := json.Unmarshal(body, &cmd); err != nil {
		return nil, httpapi.BadRequest("The request is not JSON as " + pe.PlanSubject + " takes it.")
	}
	steps, err := a.Environments.PlanNeeds(ctx, cmd)
	if err != nil {
		return nil, err
	}
	planned, err := a.planned(ctx, steps)
	if err != nil {
		return nil, err
	}
	return json.Marshal(pe.PlannedResources{Steps: planned})
}
