package github

import (
	"fmt"
	"strings"
	"time"

	cdevents "github.com/cdevents/sdk-go/pkg/api"
	v05 "github.com/cdevents/sdk-go/pkg/api/v05"

	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
)

// builder makes one CDEvent from a payload. Its error is a clause that says
// what the payload lacks. Only what CDEvents requires is required.
type builder func(p payload, t provider.Translation) (provider.Fact, error)

// fact names the subject and finishes what is the same for all.
func fact(e cdevents.CDEventV04, err error, id string, t provider.Translation, at time.Time) (provider.Fact, error) {
	if err != nil {
		return provider.Fact{}, err
	}
	if strings.TrimSpace(id) == "" || strings.HasSuffix(id, "/") {
		return provider.Fact{}, lacks("what identifies its subject")
	}
	e.SetSubjectId(id)
	if t.Repository != "" {
		e.SetSubjectSource(t.Repository)
	}
	return provider.Fact{Event: e, At: at}, nil
}

func lacks(what string) error { return fmt.Errorf("the payload lacks %s", what) }

// inRepository is the reference that changes and branches carry.
func inRepository(p payload, t provider.Translation) *cdevents.Reference {
	name := first(p.str("repository", "full_name"), t.Repository)
	if name == "" {
		return nil
	}
	return &cdevents.Reference{Id: name, Source: t.Repository}
}

func branchCreated(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewBranchCreatedEvent()
	if err == nil {
		e.SetSubjectRepository(inRepository(p, t))
	}
	return fact(e, err, p.str("ref"), t, time.Time{})
}

func branchDeleted(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewBranchDeletedEvent()
	if err == nil {
		e.SetSubjectRepository(inRepository(p, t))
	}
	return fact(e, err, p.str("ref"), t, time.Time{})
}

// pullID is "owner/name/pull/12".
func pullID(p payload) string {
	number := first(p.str("pull_request", "number"), p.str("number"))
	if number == "" {
		return ""
	}
	return prefixed(p, "pull/"+number)
}

func prefixed(p payload, id string) string {
	if name := p.str("repository", "full_name"); name != "" {
		return name + "/" + id
	}
	return id
}

func changeCreated(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewChangeCreatedEvent()
	if err == nil {
		e.SetSubjectRepository(inRepository(p, t))
		e.SetSubjectDescription(p.str("pull_request", "title"))
	}
	return fact(e, err, pullID(p), t, p.when("pull_request", "created_at"))
}

func changeUpdated(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewChangeUpdatedEvent()
	if err == nil {
		e.SetSubjectRepository(inRepository(p, t))
	}
	return fact(e, err, pullID(p), t, p.when("pull_request", "updated_at"))
}

func changeReviewed(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewChangeReviewedEvent()
	if err == nil {
		e.SetSubjectRepository(inRepository(p, t))
	}
	f, err := fact(e, err, pullID(p), t, p.when("review", "submitted_at"))
	if state := p.str("review", "state"); state != "" {
		f.Custom = map[string]any{"review": state}
	}
	return f, err
}

func changeAbandoned(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewChangeAbandonedEvent()
	if err == nil {
		e.SetSubjectRepository(inRepository(p, t))
	}
	return fact(e, err, pullID(p), t, p.when("pull_request", "closed_at"))
}

func pullRequestMerged(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewChangeMergedEvent()
	if err == nil {
		e.SetSubjectRepository(inRepository(p, t))
	}
	return fact(e, err, pullID(p), t, p.when("pull_request", "merged_at"))
}

// pushMerged has the head commit as its subject: a push need not come from a
// pull request.
func pushMerged(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewChangeMergedEvent()
	if err == nil {
		e.SetSubjectRepository(inRepository(p, t))
	}
	return fact(e, err, t.Commit, t, p.when("head_commit", "timestamp"))
}

func repositoryCreated(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewRepositoryCreatedEvent()
	if err == nil {
		describeRepository(e, p, t)
	}
	// The schema wants a name and an address here, and here only.
	if err == nil && (p.str("repository", "name") == "" || t.Repository == "") {
		err = lacks("the repository's name or address")
	}
	return fact(e, err, p.str("repository", "full_name"), t, p.when("repository", "created_at"))
}

func repositoryModified(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewRepositoryModifiedEvent()
	if err == nil {
		describeRepository(e, p, t)
	}
	return fact(e, err, p.str("repository", "full_name"), t, p.when("repository", "updated_at"))
}

func repositoryDeleted(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewRepositoryDeletedEvent()
	if err == nil {
		describeRepository(e, p, t)
	}
	return fact(e, err, p.str("repository", "full_name"), t, time.Time{})
}

type repositorySubject interface {
	SetSubjectName(string)
	SetSubjectOwner(string)
	SetSubjectUri(string)
	SetSubjectViewUrl(string)
}

func describeRepository(e repositorySubject, p payload, t provider.Translation) {
	e.SetSubjectName(p.str("repository", "name"))
	e.SetSubjectOwner(p.str("repository", "owner", "login"))
	e.SetSubjectUri(first(p.str("repository", "clone_url"), t.Repository))
	e.SetSubjectViewUrl(t.Repository)
}
