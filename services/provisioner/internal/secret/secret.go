package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
)

// Kind is the store kind under which secrets are kept.
const Kind = "secret"

// MaxValue is the longest value, in bytes.
const MaxValue = 64 << 10

// Info is all that anybody is shown of a secret.
type Info struct {
	Project   string    `json:"project"`
	Name      string    `json:"name"`
	Version   int       `json:"version"` // counts the values it has had
	Origin    Origin    `json:"origin"`
	UpdatedAt time.Time `json:"updatedAt"`
	UpdatedBy string    `json:"updatedBy,omitempty"`
}

// Origin says where a value came from.
type Origin string

// The origins.
const (
	Given Origin = "given"    // by a person: a document, the API
	Made  Origin = "resource" // an output of a resource
)

// state is what is stored: the value only as ciphertext.
type state struct {
	Info
	Sealed []byte `json:"sealed"`
}

// Secrets are the secrets of all projects.
type Secrets struct {
	repo  *aggregate.Repository[state]
	vault *Vault
	clock func() time.Time
}

// New keeps secrets in a store, encrypted by a vault.
func New(s store.Store, vault *Vault, clock func() time.Time) *Secrets {
	return &Secrets{vault: vault, clock: clock, repo: aggregate.New(s, aggregate.Options[state]{
		Service: "provisioner", Kind: Kind, Clock: clock,
		Indexes: func(s *state) store.Indexes { return store.Indexes{"project": {s.Project}} },
	})}
}

// Any reports whether there is a secret at all.
func Any(ctx context.Context, s store.Store) (bool, error) {
	page, err := s.Query(ctx, store.Query{Kind: Kind, Limit: 1})
	return len(page.Records) > 0, err
}

// Opens says whether a vault's key is the one that there are secrets of: it
// opens one of them, and tells nothing of it.
func Opens(ctx context.Context, s store.Store, v *Vault) error {
	page, err := s.Query(ctx, store.Query{Kind: Kind, Limit: 1})
	if err != nil || len(page.Records) == 0 {
		return err
	}
	var st state
	if err := json.Unmarshal(page.Records[0].State, &st); err != nil {
		return fmt.Errorf("the secret %s cannot be read: %w", page.Records[0].ID, err)
	}
	if _, err := v.Unseal(st.Sealed); err != nil {
		return ErrOtherKey
	}
	return nil
}

var (
	validGiven = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	validMade  = regexp.MustCompile(`^resource(/[A-Za-z0-9][A-Za-z0-9._-]{0,250}){3}$`)
)

// CheckName says what is wrong with the name of a secret that a person gives.
func CheckName(name string) error {
	if !validGiven.MatchString(name) {
		return fmt.Errorf("%q is not a name for a secret: it has 1 to 128 letters, digits, dots, dashes and underscores, and begins with a letter or digit", name)
	}
	return nil
}

// CheckValue says what is wrong with a value, without saying the value.
func CheckValue(value string) error {
	if value == "" {
		return errors.New("the value is empty")
	}
	if len(value) > MaxValue {
		return fmt.Errorf("the value has %d bytes; at most %d are kept", len(value), MaxValue)
	}
	return nil
}

// OfResource is the name of a secret output: resource/<env>/<resource>/<key>.
func OfResource(environment, resource, key string) string {
	return "resource/" + environment + "/" + resource + "/" + key
}

// Set writes a value. The same value again changes nothing and answers the
// version that there is.
func (s *Secrets) Set(ctx context.Context, cause events.Cause, project, name, value string, origin Origin) (Info, bool, error) {
	if (origin == Given && !validGiven.MatchString(name)) || (origin == Made && !validMade.MatchString(name)) {
		return Info{}, false, CheckName(name)
	}
	if err := CheckValue(value); err != nil {
		return Info{}, false, fmt.Errorf("secret %s: %w", name, err)
	}
	sealed, err := s.vault.Seal(value)
	if err != nil {
		return Info{}, false, fmt.Errorf("secret %s: %w", name, err)
	}
	changed := false
	v, err := s.repo.Update(ctx, id(project, name), cause, func(st *state, exists bool) (aggregate.Decision, error) {
		changed = false
		if exists {
			was, err := s.vault.Unseal(st.Sealed)
			if err != nil {
				return aggregate.Decision{}, err
			}
			if was == value {
				return aggregate.Decision{Skip: true}, nil
			}
		}
		changed = true
		st.Info = Info{
			Project: project, Name: name, Version: st.Version + 1, Origin: origin,
			UpdatedAt: s.clock().UTC(), UpdatedBy: cause.Actor,
		}
		st.Sealed = sealed
		return aggregate.Decision{}, nil
	})
	return v.State.Info, changed, err
}

// Same reports whether the secret has this value: for an apply that must say
// "unchanged".
func (s *Secrets) Same(ctx context.Context, project, name, value string) (bool, error) {
	v, err := s.repo.Get(ctx, id(project, name))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	was, err := s.vault.Unseal(v.State.Sealed)
	return was == value, err
}

// Delete forgets a secret. One that never was is no error.
func (s *Secrets) Delete(ctx context.Context, cause events.Cause, project, name string) (existed bool, err error) {
	_, err = s.repo.Update(ctx, id(project, name), cause, func(_ *state, exists bool) (aggregate.Decision, error) {
		existed = exists
		return aggregate.Decision{Delete: exists, Skip: !exists}, nil
	})
	return existed, err
}

// Get is what may be shown of one secret; store.ErrNotFound.
func (s *Secrets) Get(ctx context.Context, project, name string) (Info, error) {
	v, err := s.repo.Get(ctx, id(project, name))
	return v.State.Info, err
}

// List is a page of what may be shown of a project's secrets, by name.
func (s *Secrets) List(ctx context.Context, project string, limit int, cursor string) ([]Info, string, error) {
	page, next, err := s.repo.List(ctx, aggregate.Filter{
		Where: []store.Term{{Index: "project", Value: project}}, Limit: limit, Cursor: cursor,
	})
	var out []Info
	for _, v := range page {
		out = append(out, v.State.Info)
	}
	return out, next, err
}

// Resolve gives values by name, and the names that there is no secret of.
func (s *Secrets) Resolve(ctx context.Context, project string, names []string) (values map[string]string, missing []string, err error) {
	values = map[string]string{}
	for _, name := range names {
		v, err := s.repo.Get(ctx, id(project, name))
		if errors.Is(err, store.ErrNotFound) {
			missing = append(missing, name)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if values[name], err = s.vault.Unseal(v.State.Sealed); err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(missing)
	return values, slices.Compact(missing), nil
}

func id(project, name string) string { return project + "/" + name }
