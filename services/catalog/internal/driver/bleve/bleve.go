// Package bleve is the catalog's full-text search, held in memory by the Bleve
// library: it is a projection that is made again at every start.
package bleve

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	bleve "github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis/analyzer/custom"
	"github.com/blevesearch/bleve/v2/analysis/token/lowercase"
	"github.com/blevesearch/bleve/v2/analysis/tokenizer/unicode"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search/query"

	"github.com/slipway-idp/slipway/services/catalog/internal/entity"
)

// Index is inventory.Search.
type Index struct {
	index  bleve.Index
	writes atomic.Int64
}

// Open makes an empty index in memory.
func Open() (*Index, error) {
	// Scorch without a path keeps its segments in memory, much smaller than
	// the library's other index in memory.
	mapped, err := documents()
	if err != nil {
		return nil, fmt.Errorf("opening the search index: %w", err)
	}
	index, err := bleve.NewUsing("", mapped, scorch.Name, scorch.Name, nil)
	if err != nil {
		return nil, fmt.Errorf("opening the search index: %w", err)
	}
	return &Index{index: index}, nil
}

// wornAfter is how many writes make an index slow: in memory, each write makes
// a segment of its own, and segments are never merged.
const wornAfter = 1000

// Worn implements inventory.Search.
func (i *Index) Worn() bool { return i.writes.Load() > wornAfter }

// Close lets the index go.
func (i *Index) Close() error { return i.index.Close() }

// entry is what is indexed of an entity.
type entry struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

const analyzer = "words"

func documents() (mapping.IndexMapping, error) {
	field := func() *mapping.FieldMapping {
		f := bleve.NewTextFieldMapping()
		// Only what finds: nothing is shown from the index.
		f.Store, f.DocValues, f.IncludeInAll, f.IncludeTermVectors = false, false, false, false
		return f
	}
	doc := bleve.NewDocumentStaticMapping()
	doc.AddFieldMappingsAt("name", field())
	doc.AddFieldMappingsAt("text", field())
	m := bleve.NewIndexMapping()
	m.DefaultMapping = doc
	// The standard analyzer leaves English stop words out, and "team-a" would
	// be found by "team" alone.
	err := m.AddCustomAnalyzer(analyzer, map[string]any{
		"type": custom.Name, "tokenizer": unicode.Name, "token_filters": []string{lowercase.Name},
	})
	m.DefaultAnalyzer = analyzer
	m.IndexDynamic, m.StoreDynamic, m.DocValuesDynamic = false, false, false
	return m, err
}

// Put implements inventory.Search.
func (i *Index) Put(entities []entity.Entity) error {
	batch := i.index.NewBatch()
	for _, e := range entities {
		if err := batch.Index(e.Ref().String(), entryOf(e)); err != nil {
			return err
		}
	}
	i.writes.Add(1)
	return i.index.Batch(batch)
}

func entryOf(e entity.Entity) entry {
	m := e.Metadata
	words := []string{m.Name, m.Title, m.Description, e.Kind, m.Namespace, e.Text("type"), e.Text("lifecycle"), e.Text("owner"), e.Text("system"), e.Text("domain")}
	words = append(words, m.Tags...)
	for _, l := range m.Links {
		words = append(words, l.Title)
	}
	return entry{Name: split(m.Name + " " + m.Title), Text: split(strings.Join(words, " "))}
}

// split makes words of a name's parts: the analyzer takes "a_b" and "a.b" for
// one word each.
func split(text string) string {
	return text + " " + strings.NewReplacer("_", " ", ".", " ", "-", " ", "/", " ", ":", " ").Replace(text)
}

// Remove implements inventory.Search.
func (i *Index) Remove(ref entity.Ref) error {
	i.writes.Add(1)
	return i.index.Delete(ref.String())
}

// step is how many hits are looked through at a time.
const step = 200

// Find implements inventory.Search.
func (i *Index) Find(ctx context.Context, text string, keep func(entity.Ref) bool, offset, limit int) ([]entity.Ref, bool, error) {
	q := words(text)
	if q == nil {
		return nil, false, nil
	}
	var out []entity.Ref
	for from := 0; ; from += step {
		request := bleve.NewSearchRequestOptions(q, step, from, false)
		request.SortBy([]string{"-_score", "_id"})
		result, err := i.index.SearchInContext(ctx, request)
		if err != nil {
			return nil, false, err
		}
		for _, hit := range result.Hits {
			ref, err := entity.ParseRef(hit.ID, "")
			if err != nil || !keep(ref) {
				continue
			}
			if offset > 0 {
				offset--
				continue
			}
			if len(out) == limit {
				return out, true, nil
			}
			out = append(out, ref)
		}
		if len(result.Hits) < step {
			return out, false, nil
		}
	}
}

// words asks for every word, each whole or as the beginning of one; in a name
// it counts more.
func words(text string) query.Query {
	var all []query.Query
	for _, w := range strings.Fields(strings.ToLower(split(text)[len(text):])) {
		var any []query.Query
		for field, boost := range map[string]float64{"name": 3, "text": 1} {
			whole := bleve.NewTermQuery(w)
			whole.SetField(field)
			whole.SetBoost(boost * 2)
			begins := bleve.NewPrefixQuery(w)
			begins.SetField(field)
			begins.SetBoost(boost)
			any = append(any, whole, begins)
		}
		all = append(all, bleve.NewDisjunctionQuery(any...))
	}
	if len(all) == 0 {
		return nil
	}
	return bleve.NewConjunctionQuery(all...)
}
