package proxy

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

// sagaOwners are the services that run sagas.
func sagaOwners() []string { return []string{"deployer", "provisioner"} }

// OwnerOfSaga names the service whose saga (or operation) an id is: ids begin
// with what they are of.
func OwnerOfSaga(id string) (string, bool) {
	for prefix, owner := range map[string]string{"env-": "provisioner", "res-": "provisioner", "dpl-": "deployer", "run-": "deployer", "plr-": "deployer"} {
		if strings.HasPrefix(id, prefix) {
			return owner, true
		}
	}
	return "", false
}

// SagaPage is the sagas of all services. Away names those that did not answer.
type SagaPage struct {
	Items      []json.RawMessage `json:"items"`
	NextCursor string            `json:"nextCursor,omitempty"`
	Away       []string          `json:"away,omitempty"`
}

type sagaItem struct {
	raw     json.RawMessage
	owner   string
	Created string `json:"createdAt"`
	ID      string `json:"id"`
}

// Sagas merges the services' lists, the newest first. Each service's page goes
// on from where the merged one stopped.
func (o *Owners) Sagas(ctx context.Context, query url.Values, limit int, cursor string) (SagaPage, error) {
	from, err := parseMerged(cursor)
	if err != nil {
		return SagaPage{}, err
	}
	type answer struct {
		Items      []json.RawMessage `json:"items"`
		NextCursor string            `json:"nextCursor"`
	}
	var (
		wg      sync.WaitGroup
		owners  = sagaOwners()
		answers = make([]answer, len(owners))
		errs    = make([]error, len(owners))
	)
	for i, name := range owners {
		if from[name] == ended {
			continue
		}
		q := url.Values{}
		for k, v := range query {
			if k != "cursor" && k != "limit" {
				q[k] = v
			}
		}
		q.Set("limit", strconv.Itoa(limit))
		if from[name] != "" {
			q.Set("cursor", from[name])
		}
		wg.Go(func() {
			errs[i] = o.Call(ctx, name, http.MethodGet, "/api/v1/sagas?"+q.Encode(), nil, &answers[i])
		})
	}
	wg.Wait()
	page := SagaPage{Items: []json.RawMessage{}}
	next := map[string]string{}
	var items []sagaItem
	for i, name := range owners {
		var problem *httpapi.Problem
		switch {
		case errors.As(errs[i], &problem) && problem.Status == http.StatusServiceUnavailable:
			page.Away = append(page.Away, name)
		case errs[i] != nil:
			return page, errs[i]
		}
		for _, raw := range answers[i].Items {
			item := sagaItem{raw: raw, owner: name}
			_ = json.Unmarshal(raw, &item) // without a date it comes last
			items = append(items, item)
		}
		next[name] = cmp.Or(answers[i].NextCursor, ended)
	}
	// Pages of several services cannot be cut without asking again, so a merged
	// page holds all of theirs: up to limit from each.
	slices.SortStableFunc(items, func(a, b sagaItem) int {
		return cmp.Or(strings.Compare(b.Created, a.Created), strings.Compare(a.ID, b.ID))
	})
	for _, item := range items {
		page.Items = append(page.Items, item.raw)
	}
	page.NextCursor = merged(next)
	return page, nil
}

// ended stands for a list that has no more.
const ended = "-"

func merged(next map[string]string) string {
	more := false
	for _, c := range next {
		more = more || c != ended
	}
	if !more {
		return ""
	}
	raw, _ := json.Marshal(next) // strings
	return base64.RawURLEncoding.EncodeToString(raw)
}

func parseMerged(cursor string) (map[string]string, error) {
	out := map[string]string{}
	if cursor == "" {
		return out, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		return nil, httpapi.BadRequest("The cursor does not belong to this list; begin again without one.")
	}
	return out, nil
}
