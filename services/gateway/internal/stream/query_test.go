package stream_test

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/stream"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func parse(text, resume string) (stream.Query, error) {
	q, err := url.ParseQuery(text)
	if err != nil {
		return stream.Query{}, err
	}
	return stream.Parse(q, resume, stream.Position{Epoch: "e1", First: 10, Last: 40}, now, true)
}

func TestParse_Places_AreUnderstood(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query, resume string
		want          stream.From
	}{
		{"", "", stream.From{New: true}},
		{"since=17", "", stream.From{After: 17}},
		{"since=e1-17", "", stream.From{After: 17}},
		{"cursor=e1-17&since=1h", "", stream.From{After: 17}},
		{"cursor=e1-17", "e1-30", stream.From{After: 30}},
		{"since=2026-11-22T10:00:00Z", "", stream.From{Time: now.Add(-2 * time.Hour)}},
		{"since=-15", "", stream.From{After: 25}},
		{"since=-1000", "", stream.From{}}, // all that is kept
		{"since=1d", "", stream.From{Time: now.Add(-24 * time.Hour)}},
		{"cursor=e1-9", "", stream.From{After: 9}}, // 10 is the first that is kept: no gap
	} {
		q, err := parse(tt.query, tt.resume)
		require.NoError(t, err, tt.query)
		require.Equal(t, tt.want, q.From, tt.query)
	}
}

func TestParse_CursorThatWouldLeaveAGap_IsGone(t *testing.T) {
	t.Parallel()
	for _, cursor := range []string{"e0-17", "e1-8"} {
		_, err := parse("", cursor)
		require.Equal(t, 410, httpapi.ProblemOf(err).Status, cursor)
	}
}

func TestSubjects_HoldWhatIsAskedForAndLittleElse(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][]string{
		"": {"evt.*.>", "ext.*.>"},
		"project=shop&type=dev.cdevents.service.":  {"evt.shop.dev.cdevents.service.>", "ext.shop.dev.cdevents.service.>"},
		"project=shop&type=dev.cdevents.service.d": {"evt.shop.dev.cdevents.service.>", "ext.shop.dev.cdevents.service.>"},
		"type=dev": {"evt.*.>", "ext.*.>"},
	} {
		q, err := parse(query, "")
		require.NoError(t, err)
		require.Equal(t, want, q.Subjects(), query)
	}
}

func event(typ, subject string) cloudevents.Event {
	e := cloudevents.New()
	e.SetID("1")
	e.SetSource("/a")
	e.SetType(typ)
	e.SetSubject(subject)
	return e
}

func TestFilter_Evaluates_AndAnErrorIsNoMatch(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`type LIKE 'a.%' AND subject = 'dev/orders'`: true,
		`EXISTS missing`:        false,
		`missing = 'x'`:         false,
		`INT(subject) > 1`:      false,
		`subject`:               false,
		`STARTSWITH(type, 'a')`: false, // CESQL has no such function: LEFT does it
		`LEFT(type, 1) = 'a'`:   true,
	} {
		f, err := stream.ParseFilter(text)
		if err != nil {
			require.False(t, want, text)
			continue
		}
		require.Equal(t, want, f.Match(event("a.b", "dev/orders")), text)
	}
}

// slowTail is a stream whose tail is what a test says.
type slowTail struct {
	tail iter.Seq2[stream.Stored, error]
}

func (s slowTail) Position(context.Context) (stream.Position, error) { return stream.Position{}, nil }
func (s slowTail) Tail(context.Context, []string, stream.From) iter.Seq2[stream.Stored, error] {
	return s.tail
}
func (s slowTail) Page(context.Context, []string, stream.From, int) ([]stream.Stored, uint64, error) {
	return nil, 0, nil
}

func TestLive_StreamBreaks_ErrorIsLast(t *testing.T) {
	t.Parallel()
	s := slowTail{tail: func(yield func(stream.Stored, error) bool) {
		if yield(stream.Stored{Event: event("a.b", "x"), Seq: 1}, nil) {
			yield(stream.Stored{}, errors.New("broken"))
		}
	}}
	var seqs []uint64
	var last error
	for e, err := range stream.Live(t.Context(), s, stream.Query{}, time.Minute) {
		if last = err; err == nil {
			seqs = append(seqs, e.Seq)
		}
	}
	require.Equal(t, []uint64{1}, seqs)
	require.ErrorContains(t, last, "broken")
}

// FuzzFilter: no text breaks the parser or an evaluation.
func FuzzFilter(f *testing.F) {
	f.Add(`type = 'a' AND (subject LIKE '%x_' OR NOT EXISTS y)`)
	f.Add(`1 + -2 * 3 IN (1, 'a', TRUE)`)
	f.Fuzz(func(_ *testing.T, text string) {
		if filter, err := stream.ParseFilter(text); err == nil {
			filter.Match(event("a.b", "x"))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("since=17&type=a.b&project=x", "e1-3")
	f.Fuzz(func(t *testing.T, query, resume string) {
		q, err := parse(query, resume)
		if err == nil && len(q.Subjects()) != 2 {
			t.Fatal(query)
		}
	})
}
