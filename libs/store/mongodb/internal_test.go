package mongodb

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/slipway-idp/slipway/libs/store"
)

func TestParse_URL_PartsWhatIsOursFromWhatIsTheDrivers(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]address{
		"mongodb://db":                                  {uri: "mongodb://db/", database: "slipway_harbour", shown: "mongodb://db/slipway_harbour"},
		"mongodb://db/fleet":                            {uri: "mongodb://db/", database: "fleet_harbour", shown: "mongodb://db/fleet_harbour"},
		"mongodb://a:1,b:2/fleet/?replicaSet=rs0":       {uri: "mongodb://a:1,b:2/?replicaSet=rs0", database: "fleet_harbour", shown: "mongodb://a:1,b:2/fleet_harbour"},
		"mongodb://u:p%40ss@db?authSource=x":            {uri: "mongodb://u:p%40ss@db/?authSource=x", database: "slipway_harbour", shown: "mongodb://db/slipway_harbour"},
		"mongodb://db/?consistency=test":                {uri: "mongodb://db/", database: "slipway_harbour", shown: "mongodb://db/slipway_harbour", test: true},
		"mongodb+srv://u:p@db.example.org/?w=majority":  {uri: "mongodb+srv://u:p@db.example.org/?w=majority", database: "slipway_harbour", shown: "mongodb+srv://db.example.org/slipway_harbour"},
		"mongodb://db/fleet?consistency=test&tls=false": {uri: "mongodb://db/?tls=false", database: "fleet_harbour", shown: "mongodb://db/fleet_harbour", test: true},
	} {
		got, err := parse(dsn, "harbour")
		require.NoError(t, err, dsn)
		require.Equal(t, want, got, dsn)
	}
}

func TestShowURL_NeverShowsThePassword(t *testing.T) {
	t.Parallel()
	require.Equal(t, "mongodb://u:(secret)@a:1,b:2/x?tls=true", ShowURL("mongodb://u:hunter2@a:1,b:2/x?tls=true"))
	require.Equal(t, "mongodb://u@a/x", ShowURL("mongodb://u@a/x"))
	require.Equal(t, "mongodb://a", ShowURL("mongodb://a"))
	require.NotContains(t, ShowURL("mongodb://u:hunter2@a@b/x"), "hunter2")
}

func TestWeakness_StandaloneAndFerretDB_AreRefused_ReplicaSetAndRouterAreNot(t *testing.T) {
	t.Parallel()
	plain := bson.M{"version": "8.0.4"}
	require.Nil(t, weakness("rs0", "", plain))
	require.Nil(t, weakness("", "isdbgrid", plain))
	alone := weakness("", "", plain)
	require.ErrorContains(t, alone, "is a standalone MongoDB server")
	require.ErrorContains(t, alone, "--replSet rs0")
	require.ErrorContains(t, alone, "consistency=test")
	require.ErrorContains(t, weakness("rs0", "", bson.M{"ferretdbVersion": "v1.24.2"}), "not atomic between clients")
	require.ErrorContains(t, weakness("rs0", "", bson.M{"ferretdb": bson.M{"version": "v2.0.0"}}), "not atomic between clients")
}

func TestKeys_DifferentOnes_NeverShareAnID(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ship/titanic", keyOf(store.Key{Kind: "ship", ID: "titanic"}))
	ids := map[string]store.Key{}
	parts := []string{"a", "a/b", "b", "a%2Fb", "a%", "/", "%", "a/", "/a", "#"}
	for _, kind := range parts {
		for _, id := range parts {
			k := store.Key{Kind: kind, ID: id}
			require.NotContains(t, ids, keyOf(k))
			ids[keyOf(k)] = k
		}
	}
	marks := map[string]bool{}
	for id := range ids {
		for _, mark := range []string{"a", "a#b", "#", "%23"} {
			require.False(t, marks[markOf(id, mark)])
			marks[markOf(id, mark)] = true
		}
	}
}

func TestIndexes_OddNamesAndValues_ComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, i := range []store.Indexes{
		{"project": {"shop"}, "label": {"b", "a", ""}},
		{"a=b": {"c=d"}, "a%3Db": {"%"}, "": {"=", "x"}},
	} {
		require.Equal(t, i, indexesOf(terms(i)))
	}
	require.Nil(t, indexesOf(terms(nil)))
	require.NotEqual(t, term("a=b", "c"), term("a", "b=c"))
}

func TestPack_StateComesBackByteForByte(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 200<<10)
	source := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(' ' + source.IntN(90))
	}
	for what, c := range map[string]struct {
		state []byte
		kind  bson.Type
	}{
		"small":     {[]byte(`{"n": 1,  "text":"ü"}`), bson.TypeString},
		"no UTF-8":  {[]byte("\"\xff\xfe\""), bson.TypeBinary},
		"large":     {[]byte(`"` + strings.Repeat("x", 1<<20) + `"`), bson.TypeBinary},
		"no gain":   {noise, bson.TypeBinary},
		"at border": {bytes.Repeat([]byte("1"), deflateFrom-1), bson.TypeString},
	} {
		packed, size, err := pack(c.state)
		require.NoError(t, err, what)
		require.LessOrEqual(t, size, len(c.state), what)
		value, err := raw(packed)
		require.NoError(t, err, what)
		require.Equal(t, c.kind, value.Type, what)
		back, err := unpack(value)
		require.NoError(t, err, what)
		require.True(t, bytes.Equal(c.state, back), what)
	}
}

func TestEntries_ClockWentBack_OrderOfOneAggregateStays(t *testing.T) {
	t.Parallel()
	one := func(id string) []message { return []message{{ID: id}} }
	entries := entriesOf([]document{
		{Key: "k/a", Outbox: map[string]sending{
			"v2": {At: 30, Messages: []message{{ID: "a2-0"}, {ID: "a2-1"}}}, "v10": {At: 10, Messages: one("a10")}, "v11": {At: 50, Messages: one("a11")},
		}},
		{Key: "k/b", Outbox: map[string]sending{"v1": {At: 20, Messages: one("b1")}, "v2": {At: 40, Messages: one("b2")}}},
	})
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Message)
	}
	require.Equal(t, []string{"b1", "a2-0", "a2-1", "a10", "b2", "a11"}, ids)
}

func TestFault_ErrorsOfTheServer_AreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	s := &Store{at: address{shown: "mongodb://db/x"}}
	var full *store.FullError
	require.ErrorAs(t, s.fault(mongo.CommandError{Code: codeNoSpace, Message: "out of disk space"}), &full)
	require.ErrorIs(t, s.fault(mongo.CommandError{Code: codeUnauthorized}), store.ErrReadOnly)
	require.ErrorContains(t, s.fault(mongo.CommandError{Code: codeUnauthorized}), "readWrite")
	require.ErrorContains(t, s.fault(mongo.CommandError{Code: codeAuthentication}), "user or password is wrong")
	var weak *ConsistencyError
	require.ErrorAs(t, s.fault(mongo.CommandError{Code: codeNoMajorityRead}), &weak)
	for _, away := range []error{
		mongo.CommandError{Code: 189}, mongo.CommandError{Code: 10107},
		mongo.CommandError{Labels: []string{"NetworkError"}},
		mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 64, Message: "waiting for replication timed out"}},
		context.DeadlineExceeded, errors.New("connection refused"),
	} {
		require.ErrorIs(t, s.fault(away), store.ErrUnavailable, "%v", away)
		require.ErrorContains(t, s.fault(away), "mongodb://db/x")
		require.True(t, uncertain(away), "%v", away)
	}
	require.NotErrorIs(t, s.fault(context.DeadlineExceeded), context.DeadlineExceeded, "it is not the caller's")
	other := mongo.CommandError{Code: 2, Message: "bad value"}
	require.NotErrorIs(t, s.fault(other), store.ErrUnavailable)
	require.False(t, uncertain(other))
	require.True(t, tooLarge(mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: codeUpdateTooLarge}}}))
}
