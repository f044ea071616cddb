package timeline

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipway-idp/slipway/events"
)

var t0 = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func entry(id string, seq uint64, after time.Duration, cause string) Entry {
	return Entry{
		CorrelationID: "story", Position: Position{Epoch: "e1", Sequence: seq}, ID: id, Source: "/s",
		Type: "dev.slipway.x.y.v1", Time: t0.Add(after), Summary: id, CausationID: cause, Project: "shop",
	}
}

func ids(entries []Entry) (out []string) {
	for _, e := range entries {
		out = append(out, e.ID)
	}
	return out
}

func TestTell_ClockOfTheEffectIsBehind_CauseStillComesFirst(t *testing.T) {
	t.Parallel()
	told := Tell([]Entry{
		entry("effect", 3, -time.Second, "cause"),
		entry("root", 1, 0, ""),
		entry("cause", 2, time.Second, "root"),
		entry("other", 4, 500*time.Millisecond, "not in this timeline"),
	})
	require.Equal(t, []string{"root", "cause", "effect", "other"}, ids(told))
	require.Equal(t, []uint64{0, 1, 2, 0}, []uint64{told[0].Cause, told[1].Cause, told[2].Cause, told[3].Cause})
}

func TestTell_SameTime_StreamOrder(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"a", "b", "c"}, ids(Tell([]Entry{entry("c", 30, 0, ""), entry("a", 4, 0, ""), entry("b", 5, 0, "")})))
}

func TestTell_EventsThatNameEachOtherAsCause_EachToldOnce(t *testing.T) {
	t.Parallel()
	told := Tell([]Entry{entry("a", 1, 0, "b"), entry("b", 2, 1, "a"), entry("self", 3, 2, "self")})
	require.ElementsMatch(t, []string{"a", "b", "self"}, ids(told))
	require.Zero(t, told[2].Cause)
}

func TestTell_AnyEntries_EachOnceAndNoEffectBeforeItsCause(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "n")
		var in []Entry
		for i := range n {
			cause := ""
			if i > 0 && rapid.Bool().Draw(t, "caused") { // only earlier ones: no circles
				cause = in[rapid.IntRange(0, i-1).Draw(t, "cause")].ID
			}
			in = append(in, entry(string(rune('a'+i)), uint64(i+1), time.Duration(rapid.IntRange(0, 5).Draw(t, "at")), cause))
		}
		told := Tell(rapid.Permutation(in).Draw(t, "order"))
		if len(told) != n {
			t.Fatalf("%d of %d told", len(told), n)
		}
		at := map[string]int{}
		for i, e := range told {
			at[e.ID] = i
		}
		for _, e := range told {
			if c, ok := at[e.CausationID]; ok && c >= at[e.ID] {
				t.Fatalf("%s told before its cause %s", e.ID, e.CausationID)
			}
		}
	})
}

func TestHead_EntriesInAnyOrderAndTwice_SameHead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		types := []string{"dev.slipway.deployer.deployment.failed.v1", "dev.slipway.deployer.deployment.succeeded.v1", "dev.slipway.deployer.traffic.shifted.v1", "x"}
		var in []Entry
		for i := range rapid.IntRange(1, 10).Draw(t, "n") {
			e := entry(string(rune('a'+i)), uint64(i+1), time.Duration(rapid.IntRange(0, 5).Draw(t, "at")), "")
			e.Type = rapid.SampledFrom(types).Draw(t, "type")
			e.Project = rapid.SampledFrom([]string{"shop", "org", ""}).Draw(t, "project")
			in = append(in, e)
		}
		var want, got Head
		for _, e := range in {
			want.add(e)
		}
		for _, e := range append(rapid.Permutation(in).Draw(t, "order"), rapid.Permutation(in).Draw(t, "again")...) {
			got.add(e)
		}
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got)
		if string(a) != string(b) {
			t.Fatalf("want %s\ngot  %s", a, b)
		}
	})
}

func TestHead_FailureAfterSuccess_IsTheOutcome(t *testing.T) {
	t.Parallel()
	var h Head
	a, b := entry("a", 1, 0, ""), entry("b", 2, 1, "")
	a.Type, b.Type = "dev.slipway.deployer.deployment.succeeded.v1", "dev.slipway.deployer.deployment.failed.v1"
	h.add(b)
	require.Equal(t, OutcomeFailed, h.Outcome)
	h.add(a)
	require.Equal(t, OutcomeFailed, h.Outcome, "what came before does not change how it stands")
	require.Equal(t, "a", h.Title)
	require.Equal(t, "b", h.Latest)
}

func TestMerge_PublishedAgain_LatestEpochAndThereTheFirst(t *testing.T) {
	t.Parallel()
	a, b, c := entry("x", 5, 0, ""), entry("x", 9, 0, ""), entry("x", 2, 0, "")
	c.Epoch = "e0"
	for _, order := range [][]Entry{{a, b, c}, {c, b, a}, {b, a, c}, {b, c, a}} {
		got := order[0]
		for _, e := range order[1:] {
			got = merge(got, e)
		}
		require.Equal(t, a.Position, got.Position)
	}
}

func TestEntryOf_Origin_IsReadFromTheSubject(t *testing.T) {
	t.Parallel()
	raws, err := events.ReleasedExamples("dev.cdevents.artifact.published.0.3.0")
	require.NoError(t, err)
	var e events.Event
	require.NoError(t, e.UnmarshalJSON(raws[0]))
	got, ok := EntryOf(e, "ext.shop."+e.Type(), Position{"e1", 7})
	require.True(t, ok)
	require.Equal(t, OriginOutside, got.Origin)
	require.Equal(t, "artifact orders:5f2b8f3ce3a4 was published", got.Summary)
	require.Equal(t, "webhook:shop/github", got.Actor)
	got, _ = EntryOf(e, "evt.shop."+e.Type(), Position{"e1", 7})
	require.Equal(t, OriginSlipway, got.Origin)
	e.SetExtension(events.ExtCorrelation, nil)
	_, ok = EntryOf(e, "ext.shop."+e.Type(), Position{"e1", 7})
	require.False(t, ok, "without a correlation id it belongs to no timeline")
}

func TestBell_FollowersOfOneTimeline_AreWokenAndOthersNot(t *testing.T) {
	t.Parallel()
	b := NewBell()
	mine, stop := b.Follow("a")
	other, stopOther := b.Follow("b")
	defer stopOther()
	b.Ring("a")
	b.Ring("a")
	<-mine
	require.Empty(t, mine, "rings coalesce")
	require.Empty(t, other)
	stop()
	b.Ring("a")
	require.Empty(t, mine)
	require.Len(t, b.followers, 1)
}
