package mongodb

import (
	"context"
	"regexp"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/slipway-idp/slipway/libs/store"
)

// Query implements store.Store.
func (s *Store) Query(ctx context.Context, q store.Query) (store.Page, error) {
	if s.closed() {
		return store.Page{}, store.ErrClosed
	}
	q, after, err := q.Check()
	if err != nil {
		return store.Page{}, err
	}
	work, done, err := s.reading(ctx)
	if err != nil {
		return store.Page{}, err
	}
	defer done()
	filter, sort, along := plan(q, after)
	cursor, err := s.aggregates.Find(work, filter, options.Find().
		SetSort(sort).SetHint(along).SetLimit(int64(q.Limit+1)).SetProjection(recordFields))
	if err != nil {
		return store.Page{}, s.failed(ctx, err)
	}
	var found []document
	if err := cursor.All(work, &found); err != nil {
		return store.Page{}, s.failed(ctx, err)
	}
	all, err := records(found)
	if err != nil {
		return store.Page{}, err
	}
	return q.PageOf(all), nil
}

// plan walks along the first term's index, or along the records where there is
// no term, in the order asked for; the rest filters.
func plan(q store.Query, after *store.Place) (filter, sort bson.D, along string) {
	filter = bson.D{{Key: "kind", Value: q.Kind}, {Key: "deleted", Value: false}}
	var more bson.A // conditions on fields that have one already
	for _, t := range q.Where {
		more = append(more, bson.D{{Key: "index", Value: term(t.Index, t.Value)}})
	}
	if q.Prefix != nil {
		// Anchored and literal: the server reads it as a range of the index. A range
		// by $gte and $lt could be met by two values, each on one side.
		more = append(more, bson.D{{Key: "index", Value: bson.D{{Key: "$regex", Value: "^" + regexp.QuoteMeta(term(q.Prefix.Index, q.Prefix.Value))}}}})
	}
	along = alongID
	if len(q.Where) > 0 {
		along = alongIndexID
	}
	direction, beyond, reach := 1, "$gt", "$gte"
	if q.Order == store.OrderCreatedDesc {
		direction, beyond, reach = -1, "$lt", "$lte"
	}
	if q.Order == store.OrderID {
		sort = bson.D{{Key: "id", Value: 1}}
		if after != nil {
			more = append(more, bson.D{{Key: "id", Value: bson.D{{Key: beyond, Value: after.ID}}}})
		}
	} else {
		along = alongCreated
		if len(q.Where) > 0 {
			along = alongIndexCreated
		}
		sort = bson.D{{Key: "created", Value: direction}, {Key: "id", Value: direction}}
		if after != nil {
			// The first bounds the walk, the second is exact.
			more = append(more,
				bson.D{{Key: "created", Value: bson.D{{Key: reach, Value: after.Created}}}},
				bson.D{{Key: "$or", Value: bson.A{
					bson.D{{Key: "created", Value: bson.D{{Key: beyond, Value: after.Created}}}},
					bson.D{{Key: "created", Value: after.Created}, {Key: "id", Value: bson.D{{Key: beyond, Value: after.ID}}}},
				}}})
		}
	}
	if len(more) > 0 {
		filter = append(filter, bson.E{Key: "$and", Value: more})
	}
	return filter, sort, along
}
