// Package resources talks to what the platform provisioned for the program.
package resources

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/acme/orders/internal/config"
)

// Cache counts orders in Redis.
type Cache struct{ client *redis.Client }

// OpenCache connects lazily: nothing is asked of Redis before the first use.
func OpenCache(c config.Config) *Cache {
	return &Cache{redis.NewClient(&redis.Options{
		Addr: c.RedisAddr, Username: c.RedisUser, Password: c.RedisPass, Protocol: 2, DisableIdentity: true,
	})}
}

// Ping says whether Redis answers.
func (c *Cache) Ping(ctx context.Context) error {
	if err := c.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// Next gives the number of the next order.
func (c *Cache) Next(ctx context.Context) (int64, error) {
	n, err := c.client.Incr(ctx, "orders:count").Result()
	if err != nil {
		return 0, fmt.Errorf("cache: %w", err)
	}
	return n, nil
}

// Count reads how many orders there have been.
func (c *Cache) Count(ctx context.Context) (int64, error) {
	n, err := c.client.Get(ctx, "orders:count").Int64()
	if err != nil {
		return 0, fmt.Errorf("cache: %w", err)
	}
	return n, nil
}

// Close lets go of the connections.
func (c *Cache) Close() error { return c.client.Close() }
