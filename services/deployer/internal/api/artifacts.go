package api

import (
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
	"github.com/slipway-idp/slipway/services/deployer/internal/workload"
)

// Artifact as the API shows it.
type Artifact struct {
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	Digest      string    `json:"digest"`
	Ref         string    `json:"ref"` // orders@sha256:…
	Size        int64     `json:"size"`
	Unpacked    int64     `json:"unpacked"`
	Files       int       `json:"files"`
	Workload    string    `json:"workload"`
	ScoreDigest string    `json:"scoreDigest"`
	PushedAt    time.Time `json:"pushedAt"`
	PushedBy    string    `json:"pushedBy,omitempty"`
}

func showArtifact(a artifact.Artifact) Artifact {
	return Artifact{Name: a.Name, Version: a.Version, Digest: a.Digest, Ref: a.Ref(), Size: a.Size, Unpacked: a.Unpacked,
		Files: a.Files, Workload: a.Workload, ScoreDigest: a.ScoreDigest, PushedAt: a.StoredAt, PushedBy: a.StoredBy}
}

func (a *API) putArtifact(w http.ResponseWriter, r *http.Request) error {
	project, name, version := r.PathValue("project"), r.PathValue("name"), r.PathValue("version")
	if err := artifact.ValidName(name); err != nil {
		return httpapi.BadRequest(sentence("the name in the path will not do: "+err.Error()), httpapi.Fault{Pointer: "/name", Message: err.Error()})
	}
	if err := artifact.ValidVersion(version); err != nil {
		return httpapi.BadRequest(sentence("the version in the path will not do: "+err.Error()), httpapi.Fault{Pointer: "/version", Message: err.Error()})
	}
	// An archive may be large and its line slow: it takes the time it takes.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	cause := CauseOf(r.Context())
	stored, created, err := a.Artifacts.Put(r.Context(), project, name, version, r.Body, cause)
	if err != nil {
		return err
	}
	if parsed, err := score.Load("score.yaml", 1, []byte(stored.Score)); err == nil {
		if _, _, err := a.Workloads.Declare(r.Context(), project, workload.Artifact, stored.Score, parsed, cause); err != nil {
			return err
		}
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	w.Header().Set("Location", "/api/v1/projects/"+project+"/artifacts/"+name+"/"+version)
	httpapi.JSON(w, status, showArtifact(stored))
	return nil
}

func (a *API) getArtifact(w http.ResponseWriter, r *http.Request) error {
	found, err := a.Artifacts.Resolve(r.Context(), r.PathValue("project"),
		artifact.Reference{Name: r.PathValue("name"), Version: r.PathValue("version")})
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, showArtifact(found))
	return nil
}

func (a *API) listArtifacts(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	found, next, err := a.Artifacts.List(r.Context(), r.PathValue("project"), r.URL.Query().Get("name"), limit, cursor)
	if err != nil {
		return err
	}
	out := make([]Artifact, 0, len(found))
	for _, one := range found {
		out = append(out, showArtifact(one))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(out, next))
	return nil
}
