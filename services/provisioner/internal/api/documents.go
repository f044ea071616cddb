package api

import (
	"context"
	"errors"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/environment"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

func (a *API) documents() map[string]docapi.Kind {
	return map[string]docapi.Kind{
		"Secret": {Check: a.checkSecret, Apply: a.applySecret, Preview: a.previewSecret, Secret: []string{"/spec/value"},
			Schema: docapi.SchemaOf[secretSpec]("Secret", "A value that is written and never shown again.", "value")},
		"EnvironmentType": {Check: a.checkType, Apply: a.applyType, Preview: a.previewType,
			Schema: docapi.SchemaOf[typeSpec]("EnvironmentType", "What environments of a type have in common.")},
		"Environment": {Check: a.checkEnvironment, Apply: a.applyEnvironment, Preview: a.previewEnvironment,
			Schema: docapi.SchemaOf[environmentSpec]("Environment", "Where workloads run.", "type")},
		"ResourceDefinition": {Check: a.checkDefinition, Apply: a.applyDefinition, Preview: a.previewDefinition,
			Schema: docapi.SchemaOf[definition.Spec]("ResourceDefinition", "Which driver makes a resource, with which inputs, for which criteria.", "type", "driver")},
	}
}

const apiVersion = "slipway.dev/v1alpha1"

// read reads a spec, and says what is wrong with the frame.
func read(item docapi.Item, spec any, inProject bool) []httpapi.Fault {
	faults := item.Spec(spec)
	if item.APIVersion != apiVersion {
		faults = append(faults, item.Fault("/apiVersion", "unknown apiVersion "+item.APIVersion, "use "+apiVersion))
	}
	if inProject && item.Project == "" {
		faults = append(faults, item.Fault("/metadata", "metadata.project is missing", "say it here, or with --project"))
	}
	return faults
}

func outcome(created, changed bool) string {
	switch {
	case created:
		return docapi.Created
	case changed:
		return docapi.Updated
	}
	return docapi.Unchanged
}

type secretSpec struct {
	Value string `json:"value"`
}

func (a *API) checkSecret(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
	var spec secretSpec
	faults := read(item, &spec, true)
	if err := secret.CheckName(item.Metadata.Name); err != nil {
		faults = append(faults, item.Fault("/metadata/name", err.Error(), ""))
	}
	if len(faults) == 0 {
		if err := secret.CheckValue(spec.Value); err != nil {
			faults = append(faults, item.Fault("/spec/value", err.Error(), ""))
		}
	}
	return faults, nil
}

func (a *API) applySecret(ctx context.Context, item docapi.Item) (docapi.Result, error) {
	var spec secretSpec
	if faults := item.Spec(&spec); len(faults) > 0 {
		return docapi.Result{}, httpapi.Unprocessable(faults...)
	}
	info, changed, err := a.Secrets.Set(ctx, httpapi.CauseOf(ctx), item.Project, item.Metadata.Name, spec.Value, secret.Given)
	return docapi.Result{
		Result: outcome(changed && info.Version == 1, changed), Version: int64(info.Version),
		Location: "/api/v1/projects/" + item.Project + "/secrets/" + info.Name,
	}, err
}

type typeSpec struct {
	Description string            `json:"description"`
	DefaultTTL  document.Duration `json:"defaultTtl" description:"How long an environment lives that says nothing; for ever where it is missing."`
	MaxTTL      document.Duration `json:"maxTtl" description:"How long one may live."`
}

func (s typeSpec) of(item docapi.Item) environment.Type {
	return environment.Type{Name: item.Metadata.Name, Description: s.Description, DefaultTTL: s.DefaultTTL, MaxTTL: s.MaxTTL}
}

func (a *API) checkType(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
	var spec typeSpec
	faults := read(item, &spec, false)
	if err := environment.CheckType(spec.of(item)); err != nil {
		faults = append(faults, item.Fault("/spec", err.Error(), ""))
	}
	return faults, nil
}

func (a *API) applyType(ctx context.Context, item docapi.Item) (docapi.Result, error) {
	var spec typeSpec
	if faults := item.Spec(&spec); len(faults) > 0 {
		return docapi.Result{}, httpapi.Unprocessable(faults...)
	}
	v, created, changed, err := a.Environments.SetType(ctx, httpapi.CauseOf(ctx), spec.of(item))
	return docapi.Result{Project: "org", Result: outcome(created, changed), Version: v.Version,
		Location: "/api/v1/environment-types/" + item.Metadata.Name}, err
}

type environmentSpec struct {
	Type      string                     `json:"type"`
	TTL       string                     `json:"ttl" description:"How long it lives, such as 48h or 2d; else as its type says."`
	Resources map[string]definition.Need `json:"resources" description:"Resources of its own, by name."`
}

func (s environmentSpec) of(item docapi.Item) environment.Wish {
	return environment.Wish{Project: item.Project, Name: item.Metadata.Name, Type: s.Type, TTL: s.TTL, Resources: s.Resources}
}

func (a *API) checkEnvironment(ctx context.Context, item docapi.Item) ([]httpapi.Fault, error) {
	var spec environmentSpec
	faults := read(item, &spec, true)
	if len(faults) > 0 {
		return faults, nil
	}
	wish := spec.of(item)
	// What the batch itself brings is not there yet: then it is found out when
	// the environment's turn comes.
	for _, ref := range item.Context {
		if ref.Kind == "EnvironmentType" && ref.Name == spec.Type {
			return faults, nil
		}
		if ref.Kind == "ResourceDefinition" {
			wish.Resources = nil
		}
	}
	err := a.Environments.CheckWish(ctx, wish)
	var p *httpapi.Problem
	if !errors.As(err, &p) {
		return faults, err
	}
	if len(p.Errors) == 0 {
		return append(faults, item.Fault("/spec/type", p.Detail, "")), nil
	}
	for _, f := range p.Errors {
		faults = append(faults, item.Fault("/spec"+f.Pointer, f.Message, f.Hint))
	}
	return faults, nil
}

func (a *API) applyEnvironment(ctx context.Context, item docapi.Item) (docapi.Result, error) {
	var spec environmentSpec
	if faults := item.Spec(&spec); len(faults) > 0 {
		return docapi.Result{}, httpapi.Unprocessable(faults...)
	}
	out, err := a.Environments.Apply(ctx, httpapi.CauseOf(ctx), a.NewID(), spec.of(item))
	return docapi.Result{
		Result: outcome(out.Created, out.Changed), Operation: out.Saga,
		Location: "/api/v1/projects/" + item.Project + "/environments/" + item.Metadata.Name,
	}, err
}
