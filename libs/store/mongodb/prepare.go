package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/slipway-idp/slipway/libs/store"
)

// schemaVersion is the newest layout of the database that this program knows.
const schemaVersion = 1

// ConsistencyError says that the server cannot promise that what it
// acknowledged stays, and therefore is not used.
type ConsistencyError struct {
	// At is the server, Found what it is.
	At, Found string
	// Do is what to do about it.
	Do string
}

func (e *ConsistencyError) Error() string {
	return fmt.Sprintf("%s %s, so what it acknowledges could be lost or overwritten. %s. For a try where nothing that matters is kept, add consistency=test to the URL", e.At, e.Found, e.Do)
}

// prepare checks what the server promises and brings the database into shape.
// Everything in it can be repeated, also by several processes at once.
func (s *Store) prepare(ctx context.Context, db *mongo.Database) error {
	ctx, cancel := context.WithTimeout(ctx, 2*s.patience)
	defer cancel()
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	if err := s.checkSchema(ctx, db); err != nil {
		return err
	}
	if err := s.makeIndexes(ctx); err != nil {
		return s.fault(err)
	}
	_, err := s.meta.InsertOne(ctx, bson.D{{Key: "_id", Value: leaseID}, {Key: "holder", Value: ""}, {Key: "until", Value: int64(0)}})
	if err != nil && !mongo.IsDuplicateKeyError(err) {
		return s.fault(err)
	}
	return nil
}

// checkServer asks the server what it is.
func (s *Store) checkServer(ctx context.Context) error {
	var hello struct {
		SetName string `bson:"setName"`
		Message string `bson:"msg"`
	}
	admin := s.client.Database("admin")
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return s.fault(err)
	}
	var build bson.M
	if err := admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&build); err != nil {
		return s.fault(err)
	}
	weak := weakness(hello.SetName, hello.Message, build)
	switch {
	case weak == nil && !s.at.test:
		return nil
	case !s.at.test:
		weak.At = s.at.shown
		return weak
	}
	found := "asked for in the URL"
	if weak != nil {
		found = "the server " + weak.Found
	}
	s.log.Warn().Str("store", s.at.shown).Str("found", found).
		Msg("consistency=test: what this store acknowledges may be lost or overwritten; keep nothing in it that matters")
	return nil
}

// weakness is what keeps a server from promising anything, nil: nothing.
func weakness(set, message string, build bson.M) *ConsistencyError {
	for name := range build {
		if strings.HasPrefix(strings.ToLower(name), "ferretdb") {
			return &ConsistencyError{
				Found: "is FerretDB, whose conditional updates are not atomic between clients",
				Do:    "Use a MongoDB replica set, or SQLite",
			}
		}
	}
	if set == "" && message != "isdbgrid" {
		return &ConsistencyError{
			Found: "is a standalone MongoDB server",
			Do:    "Make it a replica set, of which one member is enough to begin with: start it with --replSet rs0 and run rs.initiate() in mongosh once",
		}
	}
	return nil
}

type schema struct {
	Version int   `bson:"version"`
	Opened  int64 `bson:"opened"`
}

// checkSchema makes or checks the note of the layout, and writes the time of
// opening, which shows that a majority confirms what is written.
func (s *Store) checkSchema(ctx context.Context, db *mongo.Database) error {
	found, err := s.schema(ctx)
	if errors.Is(err, mongo.ErrNoDocuments) {
		names, err := db.ListCollectionNames(ctx, bson.D{})
		if err != nil {
			return s.fault(err)
		}
		names = slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, "system.") || n == "meta" }) // "meta" alone: a first start was cut off
		if len(names) > 0 {
			// Another replica may just have made it.
			if found, err = s.schema(ctx); err != nil {
				slices.Sort(names)
				return &store.SchemaError{Path: s.at.shown, Known: schemaVersion, Reason: "the database has collections of another program (" + strings.Join(names, ", ") + ")"}
			}
		} else {
			found = schema{Version: schemaVersion}
		}
	} else if err != nil {
		return s.fault(err)
	}
	if found.Version < 1 || found.Version > schemaVersion {
		return &store.SchemaError{Path: s.at.shown, Found: found.Version, Known: schemaVersion, Reason: fmt.Sprintf("its schema version is %d", found.Version)}
	}
	_, err = s.meta.UpdateOne(ctx, bson.D{{Key: "_id", Value: "schema"}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: schemaVersion}, {Key: "opened", Value: s.clock().UnixNano()}}}},
		options.UpdateOne().SetUpsert(true))
	if err != nil && !mongo.IsDuplicateKeyError(err) { // two made it at once
		return s.fault(err)
	}
	return nil
}

func (s *Store) schema(ctx context.Context) (found schema, err error) {
	err = s.meta.FindOne(ctx, bson.D{{Key: "_id", Value: "schema"}}).Decode(&found)
	return found, err
}

// The names of the indexes; queries name the one they walk along, so that none
// sorts in memory because the server guessed wrong.
const (
	alongID           = "id"
	alongCreated      = "created"
	alongIndexID      = "index_id"
	alongIndexCreated = "index_created"
)

func (s *Store) makeIndexes(ctx context.Context) error {
	index := func(name string, keys ...string) mongo.IndexModel {
		var d bson.D
		for _, k := range keys {
			d = append(d, bson.E{Key: k, Value: 1})
		}
		return mongo.IndexModel{Keys: d, Options: options.Index().SetName(name)}
	}
	once := index("once", "aggregate", "version", "n")
	once.Options.SetUnique(true) // an entry is copied once, whoever copies it
	for _, one := range []struct {
		in    *mongo.Collection
		index mongo.IndexModel
	}{
		{s.aggregates, index(alongID, "kind", "deleted", "id")},
		{s.aggregates, index(alongCreated, "kind", "deleted", "created", "id")},
		{s.aggregates, index(alongIndexID, "kind", "index", "id")},
		{s.aggregates, index(alongIndexCreated, "kind", "index", "created", "id")},
		{s.aggregates, index("wake", "kind", "wake", "id")},
		{s.aggregates, index("unsent", "unsent")},
		{s.archive, once},
		{s.archive, index("published", "published", "_id")},
	} {
		// One at a time: FerretDB falls over several of which some exist.
		if _, err := one.in.Indexes().CreateOne(ctx, one.index); err != nil {
			return err
		}
	}
	return nil
}
