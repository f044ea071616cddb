package leftovers

import (
	"context"
	"fmt"
	"net"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
)

// contentsOf asks the servers that workloads were told about, as their own
// environment says: with ordinary clients, as they do.
func contentsOf(ctx context.Context, processes []process) (map[string]bool, error) {
	all := map[string]bool{}
	for _, p := range processes {
		for _, ask := range []func(context.Context, map[string]string, map[string]bool) error{redisKeys, s3Objects, streams} {
			if err := ask(ctx, p.environ, all); err != nil {
				return nil, fmt.Errorf("process %s: %w", p.name(), err)
			}
		}
	}
	return all, nil
}

func redisKeys(ctx context.Context, env map[string]string, into map[string]bool) error {
	if env["REDIS_HOST"] == "" {
		return nil
	}
	at := net.JoinHostPort(env["REDIS_HOST"], env["REDIS_PORT"])
	client := redis.NewClient(&redis.Options{
		Addr: at, Username: env["REDIS_USERNAME"], Password: env["REDIS_PASSWORD"], Protocol: 2, DisableIdentity: true,
	})
	defer func() { _ = client.Close() }()
	keys := client.Scan(ctx, 0, "*", 100).Iterator()
	for keys.Next(ctx) {
		into[fmt.Sprintf("key of redis %s: %s", at, keys.Val())] = true
	}
	if err := keys.Err(); err != nil {
		return fmt.Errorf("redis %s: %w", at, err)
	}
	return nil
}

func s3Objects(ctx context.Context, env map[string]string, into map[string]bool) error {
	endpoint := env["S3_ENDPOINT"]
	if endpoint == "" {
		return nil
	}
	client := s3.New(s3.Options{
		Region: env["S3_REGION"], BaseEndpoint: aws.String(endpoint), UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: env["S3_ACCESS_KEY_ID"], SecretAccessKey: env["S3_SECRET_KEY"]}, nil
		}),
	})
	buckets, err := client.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		return fmt.Errorf("s3 %s: %w", endpoint, err)
	}
	for _, b := range buckets.Buckets {
		into[fmt.Sprintf("bucket of s3 %s: %s", endpoint, *b.Name)] = true
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: b.Name})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("s3 %s bucket %s: %w", endpoint, *b.Name, err)
			}
			for _, o := range page.Contents {
				into[fmt.Sprintf("object of s3 %s: %s/%s", endpoint, *b.Name, *o.Key)] = true
			}
		}
	}
	return nil
}

func streams(ctx context.Context, env map[string]string, into map[string]bool) error {
	at := env["QUEUE_ADDR"]
	if at == "" {
		return nil
	}
	nc, err := nats.Connect(at, nats.UserInfo(env["QUEUE_USER"], env["QUEUE_PASSWORD"]))
	if err != nil {
		return fmt.Errorf("jetstream %s: %w", at, err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("jetstream %s: %w", at, err)
	}
	list := js.ListStreams(ctx)
	for info := range list.Info() {
		into[fmt.Sprintf("stream of jetstream %s: %s", at, info.Config.Name)] = true
	}
	if err := list.Err(); err != nil {
		return fmt.Errorf("jetstream %s: %w", at, err)
	}
	return nil
}
