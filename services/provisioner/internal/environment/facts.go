package environment

import (
	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
)

// That an environment was created, modified or deleted is a CDEvent.

func (env *Environment) created(sagaID string) (events.Draft, error) {
	return cdevents.EnvironmentCreated.Draft(env.Project, env.Name, cdevents.Fact[cdevents.EnvironmentCreatedContent]{
		SubjectID: env.Name, Content: cdevents.EnvironmentCreatedContent{Name: env.Name}, Custom: env.custom(sagaID, ""),
	})
}

func (env *Environment) modified(sagaID, reason string) (events.Draft, error) {
	return cdevents.EnvironmentModified.Draft(env.Project, env.Name, cdevents.Fact[cdevents.EnvironmentModifiedContent]{
		SubjectID: env.Name, Content: cdevents.EnvironmentModifiedContent{Name: env.Name}, Custom: env.custom(sagaID, reason),
	})
}

func (env *Environment) deleted(sagaID, reason string) (events.Draft, error) {
	return cdevents.EnvironmentDeleted.Draft(env.Project, env.Name, cdevents.Fact[cdevents.EnvironmentDeletedContent]{
		SubjectID: env.Name, Content: cdevents.EnvironmentDeletedContent{Name: env.Name}, Custom: env.custom(sagaID, reason),
	})
}

func (env *Environment) custom(sagaID, reason string) cdevents.Custom {
	return cdevents.Custom{Slipway: &cdevents.Slipway{
		Project: env.Project, Environment: env.Name, EnvironmentType: env.Type, Saga: sagaID, Reason: reason,
	}}
}
