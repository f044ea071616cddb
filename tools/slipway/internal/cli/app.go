package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
)

// app is one invocation.
type app struct {
	Config
	style style

	// the flags that every command has
	output, project, url, contextName string
}

// client returns a client of the platform that flags, environment or the
// stored context name, in this order.
func (a *app) client() (*client.Client, error) {
	at, err := a.current()
	if err != nil {
		return nil, err
	}
	if at.URL == "" {
		return nil, &client.UnreachableError{URL: "?", Err: fmt.Errorf("no address is known")}
	}
	return client.New(client.Config{URL: at.URL, Token: at.Token, HTTP: a.HTTP, UserAgent: "slipway/" + a.Version})
}

// current is the context in force.
func (a *app) current() (storedContext, error) {
	stored, err := a.contexts().load()
	if err != nil {
		return storedContext{}, err
	}
	name := a.contextName
	if name == "" {
		name = stored.Current
	}
	at, ok := stored.Contexts[name]
	if !ok && a.contextName != "" {
		return storedContext{}, fmt.Errorf("there is no context %q in %s; slipway login --context %s makes it", name, a.contexts().path, name)
	}
	if v := a.Env("SLIPWAY_URL"); v != "" {
		at = storedContext{URL: v, Project: at.Project}
	}
	if a.url != "" {
		at = storedContext{URL: a.url, Project: at.Project}
	}
	if v := a.Env("SLIPWAY_TOKEN"); v != "" {
		at.Token = v
	}
	if at.Token == "" {
		at.Token = stored.tokenFor(at.URL)
	}
	return at, nil
}

// hint says something to a person beside the answer; a program does not see it.
func (a *app) hint(format string, args ...any) {
	if a.ErrIsTerminal {
		fmt.Fprintf(a.Err, format, args...)
	}
}

// inProject returns the client and the project: the flag, the environment, the
// stored context, or the only project there is.
func (a *app) inProject(ctx context.Context) (*client.Client, string, error) {
	c, err := a.client()
	if err != nil {
		return nil, "", err
	}
	if a.project != "" {
		return c, a.project, nil
	}
	if v := a.Env("SLIPWAY_PROJECT"); v != "" {
		return c, v, nil
	}
	at, err := a.current()
	if err != nil {
		return nil, "", err
	}
	if at.Project != "" {
		return c, at.Project, nil
	}
	projects, err := c.List(ctx, "/api/v1/projects", nil)
	if err != nil {
		return nil, "", err
	}
	var names []string
	for _, p := range projects {
		names = append(names, text(p, "name"))
	}
	switch len(names) {
	case 0:
		return nil, "", fmt.Errorf("there is no project yet; make one with slipway apply (kind: Project)")
	case 1:
		return c, names[0], nil
	}
	return nil, "", fmt.Errorf("which project: %s? Name it with --project or SLIPWAY_PROJECT", strings.Join(names, ", "))
}
