package resources

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/acme/orders/internal/config"
)

// Receipt is what is kept of an order.
type Receipt struct {
	Order   int64     `json:"order"`
	Version string    `json:"version"`
	At      time.Time `json:"at"`
	// Signature is the HMAC-SHA256 of order, version and time, one to a line,
	// in hex.
	Signature string `json:"signature"`
}

// Receipts keeps receipts in an S3 bucket, each signed.
type Receipts struct {
	client *s3.Client
	bucket string
	key    []byte
}

// sign is what a receipt's signature must be.
func (r *Receipts) sign(rc Receipt) string {
	h := hmac.New(sha256.New, r.key)
	fmt.Fprintf(h, "%d\n%s\n%s", rc.Order, rc.Version, rc.At.Format(time.RFC3339Nano))
	return hex.EncodeToString(h.Sum(nil))
}

// OpenReceipts makes a client of the bucket.
func OpenReceipts(b config.Bucket, signKey string) *Receipts {
	key := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: b.KeyID, SecretAccessKey: b.Key, Source: "environment"}, nil
	})
	return &Receipts{bucket: b.Name, key: []byte(signKey), client: s3.New(s3.Options{
		Region: b.Region, BaseEndpoint: aws.String(b.Endpoint), UsePathStyle: true, Credentials: key,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})}
}

// Ping says whether the bucket is there.
func (r *Receipts) Ping(ctx context.Context) error {
	if _, err := r.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &r.bucket}); err != nil {
		return fmt.Errorf("receipts: bucket %s: %w", r.bucket, err)
	}
	return nil
}

// slots bounds how many receipts are kept: a demonstration should not fill a disk.
const slots = 100

func slot(order int64) string { return fmt.Sprintf("receipts/%02d.json", order%slots) }

// Write signs a receipt and keeps it.
func (r *Receipts) Write(ctx context.Context, rc Receipt) error {
	rc.Signature = r.sign(rc)
	body, err := json.Marshal(rc)
	if err != nil {
		return err
	}
	_, err = r.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &r.bucket, Key: aws.String(slot(rc.Order)), Body: bytes.NewReader(body), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return fmt.Errorf("receipts: %w", err)
	}
	return nil
}

// Read gives the receipt of an order, if it is as it was signed.
func (r *Receipts) Read(ctx context.Context, order int64) (Receipt, error) {
	out, err := r.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &r.bucket, Key: aws.String(slot(order))})
	if err != nil {
		return Receipt{}, fmt.Errorf("receipts: %w", err)
	}
	defer out.Body.Close()
	var rc Receipt
	if err := json.NewDecoder(out.Body).Decode(&rc); err != nil {
		return Receipt{}, fmt.Errorf("receipts: order %d: %w", order, err)
	}
	if !hmac.Equal([]byte(rc.Signature), []byte(r.sign(rc))) {
		return Receipt{}, fmt.Errorf("receipts: order %d: somebody else signed it, or changed it since", order)
	}
	return rc, nil
}
