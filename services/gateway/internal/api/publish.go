package api

import (
	"net/http"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/statement"
)

// publish takes what outsiders state.
func (a *API) publish(w http.ResponseWriter, r *http.Request) error {
	project := r.URL.Query().Get("project")
	if err := a.knownProject(r, project); err != nil {
		return err
	}
	body, err := httpapi.ReadBody(r, statement.MaxBody)
	if err != nil {
		return err
	}
	stated, err := statement.Read(r.Header, body)
	if err != nil {
		return err
	}
	actor := httpapi.ActorFrom(r.Context())
	if err := statement.Check(project, actor.Name, stated); err != nil {
		return err
	}
	taken, err := a.Statements.Take(r.Context(), project, actor, stated)
	if err != nil {
		return err
	}
	ids := make([]string, len(taken))
	for i, t := range taken {
		ids[i] = t.ID
	}
	answer := map[string]any{"ids": ids, "events": taken}
	if len(taken) == 1 {
		answer["id"] = taken[0].ID
		w.Header().Set(httpapi.CorrelationHeader, taken[0].CorrelationID)
	}
	httpapi.JSON(w, http.StatusAccepted, answer)
	return nil
}

// knownProject refuses a project that is not there, and none.
func (a *API) knownProject(r *http.Request, project string) error {
	if project == "" {
		return httpapi.BadRequest("Say which project this is about: ?project=NAME.")
	}
	if err := events.CheckProject(project); err != nil {
		return httpapi.BadRequest("?project= is not a project's name: " + err.Error() + ".")
	}
	if project == events.Org {
		return nil
	}
	exists, err := a.Projects.Exists(r.Context(), project)
	if err != nil {
		return err
	}
	if !exists {
		hint := "A Project document makes one: slipway apply."
		if near := document.Nearest(project, a.Projects.Names(r.Context())); near != "" {
			hint = `Did you mean "` + near + `"?`
		}
		return httpapi.NotFound("project", project, hint)
	}
	return nil
}
