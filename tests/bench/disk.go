package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	diskRound = time.Second
	diskBlock = 4096
	// diskSpan is rewritten in turn, as a write-ahead log is.
	diskSpan = 1024 * diskBlock
)

// syncRound measures what one fsync costs, in milliseconds each: nothing that
// is durable can be faster alone, only together.
func (b *bench) syncRound(ctx context.Context) (took []float64, err error) {
	file, err := os.Create(filepath.Join(b.dir, "disk"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	if _, err := file.Write(make([]byte, diskSpan)); err != nil {
		return nil, err
	}
	if err := file.Sync(); err != nil {
		return nil, err
	}
	block := make([]byte, diskBlock)
	begin := time.Now()
	for n := int64(0); time.Since(begin) < diskRound; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		block[0]++
		one := time.Now()
		if _, err := file.WriteAt(block, n*diskBlock%diskSpan); err != nil {
			return nil, err
		}
		if err := file.Sync(); err != nil {
			return nil, err
		}
		took = append(took, milliseconds(time.Since(one)))
	}
	return took, nil
}

// addDisk makes figures of what all rounds took.
func (b *bench) addDisk(took []float64) {
	var sum float64
	for _, one := range took {
		sum += one
	}
	conditions := fmt.Sprintf("4 KiB overwritten in a file of 4 MiB, then fsync, one after the other; %d rounds of %s between those of the store", storeRounds, diskRound)
	b.add(Figure{Name: "fsync.p50_ms", Value: median(took), Unit: "ms", Conditions: conditions})
	b.add(Figure{Name: "fsync.p99_ms", Value: quantile(took, 0.99), Unit: "ms", Conditions: conditions})
	b.add(Figure{Name: "fsync.per_s", Value: 1000 * float64(len(took)) / sum, Unit: "per s", Conditions: conditions})
}
