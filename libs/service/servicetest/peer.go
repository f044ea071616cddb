package servicetest

import (
	"context"
	"path/filepath"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
)

// Peer is another service, which publishes as services do: it commits events,
// and a relay brings them to the bus until the test ends.
type Peer struct {
	p     *Platform
	store *sqlite.Store
	facts *aggregate.Repository[int]
}

// Peer makes one. name is that of the service it stands for.
func (p *Platform) Peer(name string) *Peer {
	p.T.Helper()
	s, err := sqlite.Open(p.T.Context(), filepath.Join(p.Dir, "peer-"+name+".db"), sqlite.Options{})
	require.NoError(p.T, err)
	p.T.Cleanup(func() { _ = s.Close() })
	peer := &Peer{p: p, store: s, facts: aggregate.New(s, aggregate.Options[int]{Service: name, Kind: "fact"})}
	p.Background(func(ctx context.Context) error { return p.Bus.Relay(ctx, s.Outbox()) })
	return peer
}

// Commit decides events of one aggregate; they are published a moment later,
// in this order.
func (peer *Peer) Commit(id string, cause events.Cause, drafts ...events.Draft) {
	peer.p.T.Helper()
	_, err := peer.facts.Update(peer.p.T.Context(), id, cause, func(n *int, _ bool) (aggregate.Decision, error) {
		*n++
		return aggregate.Decision{Events: drafts}, nil
	})
	require.NoError(peer.p.T, err)
}

// Published waits until the bus has all that was committed.
func (peer *Peer) Published() {
	peer.p.T.Helper()
	require.Eventually(peer.p.T, func() bool {
		n, err := peer.store.Outbox().Backlog(peer.p.T.Context())
		return err == nil && n == 0
	}, patience, time.Millisecond, "the relay does not get on")
}
