package intake

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"
)

// MaxBody is the largest delivery taken, in bytes.
const MaxBody = 5 << 20

// inlineBody is how large a compressed body may be to be kept with its
// delivery; a larger one is an aggregate of its own, so that lists stay small.
const inlineBody = 64 << 10

// Delivery is what came in and what became of it, as it is stored.
type Delivery struct {
	Project    string `json:"project"`
	Webhook    string `json:"webhook"`
	Provider   string `json:"provider"`
	DeliveryID string `json:"deliveryId"` // the provider's, or "body:" and the body's digest
	Event      string `json:"event"`
	Action     string `json:"action,omitempty"`

	ReceivedAt  time.Time `json:"receivedAt"`
	ContentType string    `json:"contentType"`
	Size        int       `json:"size"`   // of the raw body, in bytes
	Digest      string    `json:"digest"` // "sha256:…" of the raw body

	Repository    string   `json:"repository,omitempty"`
	Commit        string   `json:"commit,omitempty"`
	CorrelationID string   `json:"correlationId"`
	Events        []Made   `json:"events"`
	Note          string   `json:"note,omitempty"`     // why nothing, or less than one might expect, came of it
	Problems      []string `json:"problems,omitempty"` // what the webhook's map failed at

	// Body is the raw body, gzip; empty where it is kept apart or was dropped.
	Body    []byte `json:"body,omitempty"`
	Apart   bool   `json:"apart,omitempty"`
	Dropped bool   `json:"dropped,omitempty"`
}

// Made is an event that a delivery became.
type Made struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// rawBody is a body kept apart.
type rawBody struct {
	Body []byte `json:"body"`
}

// deliveryKey names a delivery at one webhook: two with the same key are one.
func deliveryKey(webhook, deliveryID string) string {
	sum := sha256.Sum256([]byte(webhook + "\x00" + deliveryID))
	return hex.EncodeToString(sum[:16])
}

// eventID is the id of the n-th event of a delivery: a UUID (version 8, RFC
// 9562) of the delivery's key.
func eventID(key string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "gateway delivery %s %d", key, n))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// compressor reuses what gzip allocates, which is far more than a body.
type compressor struct{ writers sync.Pool }

func (c *compressor) compress(body []byte) ([]byte, error) {
	var b bytes.Buffer
	z, ok := c.writers.Get().(*gzip.Writer)
	if ok {
		z.Reset(&b)
	} else {
		z = gzip.NewWriter(&b)
	}
	defer c.writers.Put(z)
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}

func decompress(body []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, MaxBody+1))
}
