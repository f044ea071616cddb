package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/redis/go-redis/v9"
)

// contents is all that is in the Redis and in the bucket of a running orders,
// read with the credentials in that process's own environment.
func contents(ctx context.Context, p process) (map[string]string, error) {
	out := map[string]string{}
	cache := redis.NewClient(&redis.Options{
		Addr:     net.JoinHostPort(p.env["REDIS_HOST"], p.env["REDIS_PORT"]),
		Username: p.env["REDIS_USERNAME"], Password: p.env["REDIS_PASSWORD"], Protocol: 2, DisableIdentity: true,
	})
	defer func() { _ = cache.Close() }()
	keys, err := cache.Keys(ctx, "*").Result()
	if err != nil {
		return nil, fmt.Errorf("reading the Redis: %w", err)
	}
	for _, key := range keys {
		value, err := cache.Get(ctx, key).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			value = "unreadable: " + err.Error()
		}
		out["redis "+key] = value
	}
	bucket := s3.New(s3.Options{
		Region: p.env["S3_REGION"], BaseEndpoint: aws.String(p.env["S3_ENDPOINT"]), UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: p.env["S3_ACCESS_KEY_ID"], SecretAccessKey: p.env["S3_SECRET_KEY"]}, nil
		}),
	})
	var next *string
	for {
		page, err := bucket.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(p.env["S3_BUCKET"]), ContinuationToken: next})
		if err != nil {
			return nil, fmt.Errorf("reading the bucket: %w", err)
		}
		for _, o := range page.Contents {
			out["s3 "+aws.ToString(o.Key)] = fmt.Sprint(aws.ToString(o.ETag), " ", aws.ToInt64(o.Size))
		}
		if next = page.NextContinuationToken; next == nil {
			return out, nil
		}
	}
}

// changed lists what differs.
func changed(before, after map[string]string) []string {
	var out []string
	for k, v := range before {
		if after[k] != v {
			out = append(out, fmt.Sprintf("%s was %q and is %q", k, v, after[k]))
		}
	}
	for k := range after {
		if _, was := before[k]; !was {
			out = append(out, k+" was not there")
		}
	}
	slices.Sort(out)
	return out
}
