// Package config reads what the platform gives the program: a port, and how
// to reach each of its resources.
package config

import (
	"fmt"
	"strings"
)

// Config is the whole of it.
type Config struct {
	Port      string
	RedisAddr string // host:port
	RedisUser string
	RedisPass string
	Bucket    Bucket
	SignKey   string // with which receipts are signed
}

// Bucket is an S3 bucket.
type Bucket struct {
	Endpoint, Region, Name, KeyID, Key string
}

// Read takes the configuration from the environment and names everything that
// is missing at once.
func Read(getenv func(string) string) (Config, error) {
	var missing []string
	need := func(name string) string {
		v := getenv(name)
		if v == "" {
			missing = append(missing, name)
		}
		return v
	}
	c := Config{
		Port:      need("PORT"),
		RedisAddr: need("REDIS_HOST") + ":" + need("REDIS_PORT"),
		RedisUser: getenv("REDIS_USERNAME"),
		RedisPass: getenv("REDIS_PASSWORD"),
		Bucket: Bucket{
			Endpoint: need("S3_ENDPOINT"), Region: need("S3_REGION"), Name: need("S3_BUCKET"),
			KeyID: need("S3_ACCESS_KEY_ID"), Key: need("S3_SECRET_KEY"),
		},
		SignKey: need("SIGNING_KEY"),
	}
	if len(missing) > 0 {
		return Config{}, fmt.Errorf("config: %s empty; score.yaml says which resource gives each", strings.Join(missing, ", "))
	}
	return c, nil
}
