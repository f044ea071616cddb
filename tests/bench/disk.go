package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

const (
	diskRound = 2 * time.Second
	diskBlock = 4096
	// diskSpan is rewritten in turn, as a write-ahead log is.
	diskSpan = 1024 * diskBlock
)

// disk measures what one fsync costs: nothing that is durable can be faster
// alone, only together.
func (b *bench) disk(ctx context.Context) error {
	file, err := os.Create(filepath.Join(b.dir, "disk"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	if _, err := file.Write(make([]byte, diskSpan)); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	block := make([]byte, diskBlock)
	var took []float64
	begin := time.Now()
	for n := int64(0); time.Since(begin) < diskRound; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		block[0]++
		one := time.Now()
		if _, err := file.WriteAt(block, n*diskBlock%diskSpan); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
		took = append(took, milliseconds(time.Since(one)))
	}
	conditions := "4 KiB overwritten in a file of 4 MiB, then fsync; one after the other for 2 s"
	b.add(Figure{Name: "disk.fsync.p50_ms", Value: median(took), Unit: "ms", Conditions: conditions})
	b.add(Figure{Name: "disk.fsync.p99_ms", Value: quantile(took, 0.99), Unit: "ms", Conditions: conditions})
	b.add(Figure{Name: "disk.fsync.per_s", Value: float64(len(took)) / time.Since(begin).Seconds(), Unit: "per s", Conditions: conditions})
	return nil
}
