package mongo

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/mongodb"
)

// doc is one document as another program sees it; nil: there is none.
func doc(t testing.TB, db *mongo.Database, collection string, id any) bson.M {
	t.Helper()
	var m bson.M
	err := db.Collection(collection).FindOne(context.Background(), bson.D{{Key: "_id", Value: id}}).Decode(&m)
	if err == mongo.ErrNoDocuments { //nolint:errorlint // as it is returned
		return nil
	}
	require.NoError(t, err)
	return m
}

func change(t testing.TB, db *mongo.Database, collection string, id any, update bson.D) {
	t.Helper()
	r, err := db.Collection(collection).UpdateOne(context.Background(), bson.D{{Key: "_id", Value: id}}, update)
	require.NoError(t, err)
	require.EqualValues(t, 1, r.MatchedCount)
}

func TestOpen_FerretDBWithoutConsistencyTest_IsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	d := fresh(t, servers[0])
	_, err := mongodb.Open(context.Background(), d.server.url(d.prefix), service, mongodb.Options{})
	var weak *mongodb.ConsistencyError
	require.ErrorAs(t, err, &weak)
	require.ErrorContains(t, err, "Use a MongoDB replica set")
	names, err := d.raw(t).ListCollectionNames(context.Background(), bson.D{})
	require.NoError(t, err)
	require.Empty(t, names, "nothing was made in it")

	d.open(t)
	require.Contains(t, d.log.String(), `"level":"warn"`)
	require.Contains(t, d.log.String(), "may be lost or overwritten")
}

func TestOpen_NewerSchema_IsRefused(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		require.NoError(t, d.open(t).Close())
		change(t, d.raw(t), "meta", "schema", bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: 7}}}})
		_, err := mongodb.Open(context.Background(), d.url(), service, mongodb.Options{})
		var schema *store.SchemaError
		require.ErrorAs(t, err, &schema)
		require.Equal(t, 7, schema.Found)
		require.ErrorContains(t, err, "newer Slipway")
		require.EqualValues(t, 7, doc(t, d.raw(t), "meta", "schema")["version"])
	})
}

func TestOpen_DatabaseOfAnotherProgram_IsRefusedAndStays(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		db := d.raw(t)
		_, err := db.Collection("bookmarks").InsertOne(context.Background(), bson.D{{Key: "_id", Value: 1}})
		require.NoError(t, err)
		_, err = mongodb.Open(context.Background(), d.url(), service, mongodb.Options{})
		var schema *store.SchemaError
		require.ErrorAs(t, err, &schema)
		require.ErrorContains(t, err, "bookmarks")
		names, err := db.ListCollectionNames(context.Background(), bson.D{})
		require.NoError(t, err)
		require.Equal(t, []string{"bookmarks"}, names)
	})
}

func TestOpen_TwoServices_KeepApart(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		put(t, d.open(t), store.Commit{Key: ship("a")})
		other, err := mongodb.Open(context.Background(), d.url(), "yard", mongodb.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { _ = other.Close() })
		_, err = other.Get(context.Background(), ship("a"))
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func TestDocument_IsAsTheReadmeSays(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		s, db := d.open(t), d.raw(t)
		put(t, s, store.Commit{
			Key: ship("titanic"), State: []byte(`{"name": "Titanic"}`), Indexes: store.Indexes{"project": {"shop"}},
			WakeAt: time.Unix(100, 5), Marks: []string{"dock/1"}, Messages: []store.Message{note("n1")},
		})
		one := doc(t, db, "aggregates", "ship/titanic")
		require.Equal(t, `{"name": "Titanic"}`, one["state"], "readable in the database's own shell")
		require.EqualValues(t, 1, one["version"])
		require.Equal(t, bson.A{"project=shop"}, one["index"])
		require.Equal(t, bson.A{"dock/1"}, one["marks"])
		require.EqualValues(t, 100*int64(time.Second)+5, one["wake"])
		require.Contains(t, fmt.Sprint(one["outbox"]), "evt.shop.made", "state and message in one document")
		require.NotNil(t, one["unsent"])

		require.Equal(t, []string{"n1"}, archive(t, s))
		one = doc(t, db, "aggregates", "ship/titanic")
		require.Empty(t, one["outbox"], "copied, and taken out")
		require.NotContains(t, one, "unsent")
		require.EqualValues(t, 1, one["version"], "which is no change of the aggregate")
		entry := doc(t, db, "archive", int64(1))
		require.Equal(t, "ship/titanic", entry["aggregate"])
		require.EqualValues(t, 0, entry["published"])
	})
}

func TestCommit_LargeState_IsCompressed_AndTooLargeSaysSo(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		s := d.open(t)
		noise := make([]byte, 24<<20)
		source := rand.NewChaCha8([32]byte{1})
		_, _ = source.Read(noise)
		quote := func(n int) []byte { return []byte(`"` + base64.StdEncoding.EncodeToString(noise[:n]) + `"`) }

		sealed := quote(1 << 20) // as a sealed state of a stack is: no pattern in it
		put(t, s, store.Commit{Key: ship("a"), State: sealed})
		r, err := s.Get(context.Background(), ship("a"))
		require.NoError(t, err)
		require.True(t, string(sealed) == string(r.State))
		kept := doc(t, d.raw(t), "aggregates", "ship/a")["state"].(bson.Binary)
		require.Less(t, len(kept.Data), 13*(1<<20)/12, "what base64 added is taken off again")

		_, err = s.Commit(context.Background(), store.Commit{Key: ship("a"), Expected: 1, State: quote(20 << 20)})
		var large *store.TooLargeError
		require.ErrorAs(t, err, &large)
		require.ErrorContains(t, err, "in several aggregates")
		many := store.Commit{Key: ship("b"), State: []byte(`{}`)}
		for i := range 80 {
			many.Messages = append(many.Messages, store.Message{ID: fmt.Sprint(i), Subject: "s", Body: []byte(strings.Repeat("x", 256<<10))})
		}
		_, err = s.Commit(context.Background(), many)
		require.ErrorAs(t, err, &large)
		_, err = s.Get(context.Background(), ship("b"))
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func TestMarks_ManyOnOneAggregate_AreMovedOutAndStillRefuse(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		s, db := d.open(t), d.raw(t)
		const all = 300
		for v := range int64(all) {
			put(t, s, store.Commit{Key: ship("a"), Expected: v, Marks: []string{fmt.Sprint("m", v)}})
		}
		one := doc(t, db, "aggregates", "ship/a")
		require.LessOrEqual(t, len(one["marks"].(bson.A)), 128)
		require.Positive(t, one["rolled"])
		require.EqualValues(t, all, one["version"], "moving marks is no change of the aggregate")
		for v := range all {
			seen, err := s.Marked(context.Background(), ship("a"), fmt.Sprint("m", v))
			require.NoError(t, err)
			require.True(t, seen, "m%d", v)
		}
		seen, err := s.Marked(context.Background(), ship("a"), "never")
		require.NoError(t, err)
		require.False(t, seen)
		for _, old := range []string{"m0", "m150", "m299"} {
			_, err := s.Commit(context.Background(), store.Commit{Key: ship("a"), Expected: all, State: []byte(`2`), Marks: []string{"new", old}})
			var marked *store.MarkedError
			require.ErrorAs(t, err, &marked)
			require.Equal(t, old, marked.Mark)
		}
		put(t, s, store.Commit{Key: ship("a"), Expected: all, Delete: true, Marks: []string{"gone"}})
		_, err = s.Commit(context.Background(), store.Commit{Key: ship("a"), State: []byte(`2`), Marks: []string{"m0"}})
		var marked *store.MarkedError
		require.ErrorAs(t, err, &marked, "a tombstone's marks too")
	})
}

// Between a caller's read and its commit the mark was moved out: the document no
// longer has it, and the version is as it was.
func TestMarks_MovedOutJustNow_StillRefuse(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		s, db := d.open(t), d.raw(t)
		put(t, s, store.Commit{Key: ship("a"), Marks: []string{"m1"}})
		_, err := db.Collection("marks").InsertOne(context.Background(), bson.D{{Key: "_id", Value: "ship/a#m1"}, {Key: "aggregate", Value: "ship/a"}, {Key: "mark", Value: "m1"}})
		require.NoError(t, err)
		change(t, db, "aggregates", "ship/a", bson.D{
			{Key: "$pullAll", Value: bson.D{{Key: "marks", Value: bson.A{"m1"}}}}, {Key: "$inc", Value: bson.D{{Key: "rolled", Value: int64(1)}}},
		})
		_, err = s.Commit(context.Background(), store.Commit{Key: ship("a"), Expected: 1, State: []byte(`2`), Marks: []string{"m1"}})
		var marked *store.MarkedError
		require.ErrorAs(t, err, &marked)
		require.EqualValues(t, 2, put(t, s, store.Commit{Key: ship("a"), Expected: 1, Marks: []string{"m2"}}))
	})
}

func TestMarks_MovingWasCutOff_ALaterOneFinishesIt(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		through, p := d.through(t)
		s, db := through.open(t), d.raw(t)
		for v := range int64(127) {
			put(t, s, store.Commit{Key: ship("a"), Expected: v, Marks: []string{fmt.Sprint("m", v)}})
		}
		// The 128th moves 64 of them; the server has the copies, and no more comes.
		cut := p.next("insert", "marks", loseAnswer)
		put(t, s, store.Commit{Key: ship("a"), Expected: 127, Marks: []string{"m127"}})
		<-cut
		require.Len(t, doc(t, db, "aggregates", "ship/a")["marks"], 128, "still in both places")
		for v := int64(128); v < 192; v++ {
			put(t, s, store.Commit{Key: ship("a"), Expected: v, Marks: []string{fmt.Sprint("m", v)}})
		}
		require.Len(t, doc(t, db, "aggregates", "ship/a")["marks"], 64)
		for v := range 192 {
			seen, err := s.Marked(context.Background(), ship("a"), fmt.Sprint("m", v))
			require.NoError(t, err)
			require.True(t, seen, "m%d", v)
		}
	})
}
