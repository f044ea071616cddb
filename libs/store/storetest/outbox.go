package storetest

import (
	"context"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
)

// signalled tells whether a signal is waiting, and takes it.
func signalled(o store.Outbox) bool {
	select {
	case <-o.Changed():
		return true
	default:
		return false
	}
}

func messageIDs(entries []store.Entry) []string {
	ids := []string{}
	for _, e := range entries {
		ids = append(ids, e.Message.ID)
	}
	return ids
}

func (x *suite) backlog() int {
	x.Helper()
	n, err := x.Store.Outbox().Backlog(context.Background())
	require.NoError(x, err)
	return n
}

var outbox = map[string]func(*suite){
	"Outbox_Committed_ArePendingInOrderAndWhole": func(x *suite) {
		require.Empty(x, x.pending())
		x.put(store.Commit{Key: key("a"), Messages: []store.Message{message("a1"), message("a2")}})
		x.put(store.Commit{Key: key("b"), Messages: []store.Message{{ID: "b1", Subject: "s"}}})
		x.put(store.Commit{Key: key("a"), Expected: 1, Messages: []store.Message{message("a3")}})
		entries := x.pending()
		require.Equal(x, []string{"a1", "a2", "b1", "a3"}, messageIDs(entries))
		first := entries[0]
		require.Equal(x, message("a1"), first.Message)
		require.Equal(x, key("a"), first.Key)
		require.EqualValues(x, 1, first.Version)
		require.EqualValues(x, 2, entries[3].Version)
		require.False(x, first.At.IsZero())
		require.True(x, first.Published.IsZero())
		require.Empty(x, entries[2].Message.Header)
		require.Empty(x, entries[2].Message.Body)
		for i := range entries[1:] {
			require.Less(x, entries[i].Seq, entries[i+1].Seq)
		}
		require.Equal(x, 4, x.backlog())
	},
	"Outbox_Limit_TakesTheOldest": func(x *suite) {
		x.put(store.Commit{Key: key("a"), Messages: []store.Message{message("a1"), message("a2"), message("a3")}})
		entries, err := x.Store.Outbox().Pending(context.Background(), 2)
		require.NoError(x, err)
		require.Equal(x, []string{"a1", "a2"}, messageIDs(entries))
	},
	"Outbox_Published_LeavesPendingAndStaysInTheArchive": func(x *suite) {
		x.put(store.Commit{Key: key("a"), Messages: []store.Message{message("a1"), message("a2"), message("a3")}})
		entries := x.pending()
		ctx := context.Background()
		require.NoError(x, x.Store.Outbox().MarkPublished(ctx, []int64{entries[1].Seq, 999_999}))
		require.Equal(x, []string{"a1", "a3"}, messageIDs(x.pending()))
		require.Equal(x, 2, x.backlog())
		once := x.archive(0, 10)
		require.Equal(x, []string{"a1", "a2", "a3"}, messageIDs(once))
		require.False(x, once[1].Published.IsZero())
		require.NoError(x, x.Store.Outbox().MarkPublished(ctx, []int64{entries[1].Seq}))
		require.Equal(x, once, x.archive(0, 10), "marking twice changes nothing")
		require.NoError(x, x.Store.Outbox().MarkPublished(ctx, nil))
		require.Equal(x, []string{"a2"}, messageIDs(x.archive(entries[0].Seq, 1)))
		require.Empty(x, x.archive(entries[2].Seq, 10))
		require.EqualValues(x, 1, x.get(key("a")).Version, "publishing is no change of the aggregate")
	},
	"Outbox_AggregateDeleted_ItsMessagesStay": func(x *suite) {
		x.put(store.Commit{Key: key("a"), Messages: []store.Message{message("a1")}})
		x.put(store.Commit{Key: key("a"), Expected: 1, Delete: true, Messages: []store.Message{message("a2")}})
		require.Equal(x, []string{"a1", "a2"}, messageIDs(x.pending()))
	},
	"Outbox_Changed_SignalsOnceAfterOpeningAndAfterMessages": func(x *suite) {
		o := x.Store.Outbox()
		require.True(x, signalled(o), "so that the relay looks for what was left behind")
		require.False(x, signalled(o))
		x.put(store.Commit{Key: key("a")})
		require.False(x, signalled(o), "nothing to publish")
		x.put(store.Commit{Key: key("a"), Expected: 1, Messages: []store.Message{message("a1")}})
		x.put(store.Commit{Key: key("a"), Expected: 2, Messages: []store.Message{message("a2")}})
		require.True(x, signalled(o))
		require.False(x, signalled(o), "signals coalesce")
	},
}
