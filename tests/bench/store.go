package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
)

const (
	storeRounds = 5
	storeRound  = time.Second
	payload     = 512 // bytes of a state, and of a message
)

// store measures whole commits, as handlers make them: state, one index, one
// mark, one message for the outbox, on disk when they return. Between its rounds
// it measures the disk, which is never the same for long.
func (b *bench) store(ctx context.Context) error {
	writers := []int{1, 8, 32}
	rates := make([][]float64, len(writers))
	var syncs []float64
	for round := range storeRounds {
		took, err := b.syncRound(ctx)
		if err != nil {
			return err
		}
		syncs = append(syncs, took...)
		for i, n := range writers {
			path := filepath.Join(b.dir, fmt.Sprintf("store-%d-%d.db", round, n))
			rate, err := commitRate(ctx, path, n)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], rate)
		}
	}
	b.addDisk(syncs)
	for i, n := range writers {
		b.add(Figure{
			Name: fmt.Sprintf("store.sqlite.commits_per_s_%d", n), Value: median(rates[i]), Unit: "per s",
			Against: "fsync.per_s",
			Conditions: fmt.Sprintf("sqlite, WAL, synchronous=FULL; %d writers, each an aggregate of its own; state and message of %d B, one index, one mark; median of %d rounds of %s",
				n, payload, storeRounds, storeRound),
		})
	}
	return nil
}

// commitRate commits with n writers at once, for a round, to a new file.
func commitRate(ctx context.Context, path string, n int) (rate float64, err error) {
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var commits atomic.Int64
	errs := make([]error, n)
	var all sync.WaitGroup
	begin := time.Now()
	for w := range n {
		all.Go(func() {
			for version := int64(0); time.Since(begin) < storeRound; version++ {
				if _, errs[w] = s.Commit(ctx, oneCommit(w, version)); errs[w] != nil {
					return
				}
				commits.Add(1)
			}
		})
	}
	all.Wait()
	return float64(commits.Load()) / time.Since(begin).Seconds(), errors.Join(errs...)
}

func oneCommit(writer int, version int64) store.Commit {
	id := strconv.Itoa(writer)
	state := append(append([]byte(`{"text":"`), bytes.Repeat([]byte("x"), payload-11)...), `"}`...)
	return store.Commit{
		Key: store.Key{Kind: "thing", ID: id}, Expected: version, State: state,
		Indexes: store.Indexes{"project": {"shop"}},
		Marks:   []string{fmt.Sprintf("bench-consumer/%s-%d", id, version)},
		Messages: []store.Message{{
			ID: fmt.Sprintf("%s-%d", id, version), Subject: "evt.shop.dev.slipway.bench.thing.changed.v1",
			Header: map[string][]string{"ce-id": {id}, "ce-type": {"dev.slipway.bench.thing.changed.v1"}}, Body: state,
		}},
	}
}
