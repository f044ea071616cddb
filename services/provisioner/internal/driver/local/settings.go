package local

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

const (
	kindRedis     = "redis"
	kindS3        = "s3"
	kindJetStream = "jetstream"
	kindVolume    = "volume"
	kindKey       = "key"

	region    = "us-east-1"
	redisUser = "default" // who AUTH with a password alone is
	natsUser  = "slipway"
)

// settings are how a resource is made: no secrets. It is kept in made.json.
type settings struct {
	Kind     string   `json:"kind"`
	Bucket   string   `json:"bucket,omitempty"`
	Stream   string   `json:"stream,omitempty"`
	Subjects []string `json:"subjects,omitempty"`
	Folder   string   `json:"folder,omitempty"` // that its data is kept in, given from outside; below it by its name
	Port     int      `json:"port,omitempty"`   // where it listens; kept over restarts
}

// plan compares what is there with what shall be. The port is nobody's wish.
func (is settings) plan(want settings) driver.Action {
	switch {
	case is.Kind == "":
		return driver.Create
	case is.Kind == want.Kind && is.Bucket == want.Bucket && is.Folder == want.Folder && is.Stream == want.Stream && slices.Equal(is.Subjects, want.Subjects):
		return driver.Unchanged
	default:
		return driver.Change
	}
}

func (s settings) where() string {
	if s.Folder == "" {
		return "a folder of its own"
	}
	return s.Folder
}

// settings reads a request. Names that it does not give are made from the
// resource's own.
func (d *Driver) settings(r driver.Request) (settings, error) {
	if !validName.MatchString(r.Name) {
		return settings{}, fmt.Errorf("%q is not the name of a resource", r.Name)
	}
	if err := d.Check(r.Kind, r.Inputs); err != nil {
		return settings{}, err
	}
	s := settings{Kind: r.Kind}
	text := func(name, otherwise string) string {
		if v, ok := r.Inputs[name].(string); ok {
			return v
		}
		return otherwise
	}
	switch r.Kind {
	case kindS3:
		s.Bucket, s.Folder = text("bucket", bucketName(r.Name)), text("folder", "")
		if !validBucket.MatchString(s.Bucket) {
			return settings{}, fmt.Errorf("input bucket is %q; an S3 bucket has 3 to 63 lower case letters, digits and dashes", s.Bucket)
		}
	case kindJetStream:
		plain := strings.ReplaceAll(r.Name, ".", "_")
		s.Bucket, s.Stream = text("bucket", plain), text("stream", plain)
		for name, v := range map[string]string{"bucket": s.Bucket, "stream": s.Stream} {
			if !validStream.MatchString(v) {
				return settings{}, fmt.Errorf("input %s is %q; it has letters, digits, dashes and underscores", name, v)
			}
		}
		s.Subjects = []string{s.Stream + ".>"}
		switch given := r.Inputs["subjects"].(type) {
		case string:
			s.Subjects = []string{given}
		case []any:
			s.Subjects = nil
			for _, one := range given {
				s.Subjects = append(s.Subjects, one.(string)) // Check saw that they are texts
			}
		}
	}
	return s, nil
}

var (
	validBucket = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	validStream = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)
	notInBucket = regexp.MustCompile(`[^a-z0-9]+`)
)

// bucketName makes a name that S3 allows, the same for the same resource, and
// not the same for two.
func bucketName(name string) string {
	plain := strings.Trim(notInBucket.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if plain == strings.ReplaceAll(name, ".", "-") && len(plain) >= 3 && len(plain) <= 63 {
		return plain
	}
	sum := sha256.Sum256([]byte(name))
	if len(plain) > 50 {
		plain = strings.TrimRight(plain[:50], "-")
	}
	return strings.TrimLeft(plain+"-"+hex.EncodeToString(sum[:5]), "-")
}

// credentials are those in use, or new ones. known is whether a process that
// runs already can be running with them.
func (d *Driver) credentials(kind string, kept map[string]string) (c credentials, known bool) {
	switch kind {
	case kindS3:
		c.Secret = kept["secret_key"]
	default:
		c.Secret = kept["password"]
	}
	if c.Secret != "" {
		return c, true
	}
	c.Secret = d.cfg.Secret()
	return c, false
}

// key is the one in use, or a new one. It is kept by the platform alone.
func (d *Driver) key(kept map[string]string) string {
	if kept["key"] != "" {
		return kept["key"]
	}
	return d.cfg.Secret() + d.cfg.Secret()
}

// credentials of one resource. User names are no secrets.
type credentials struct {
	Secret string `json:"secret"`
}

// accessKey is the S3 access key id: not secret, and the same for a resource.
func (s settings) accessKey() string {
	sum := sha256.Sum256([]byte(s.Bucket))
	return "SLIPWAY" + strings.ToUpper(hex.EncodeToString(sum[:6]))
}

const host = "127.0.0.1"

func (s settings) outputs(credentials) map[string]any {
	port := strconv.Itoa(s.Port)
	at := net.JoinHostPort(host, port)
	switch s.Kind {
	case kindRedis:
		return map[string]any{"host": host, "port": port, "username": redisUser}
	case kindS3:
		return map[string]any{
			"endpoint": "http://" + at, "host": host, "port": port, "region": region,
			"bucket": s.Bucket, "access_key_id": s.accessKey(),
		}
	case kindJetStream:
		return map[string]any{
			"url": "nats://" + at, "host": host, "port": port, "bucket": s.Bucket, "stream": s.Stream,
			"subject": s.Subjects[0], "user": natsUser,
		}
	}
	return nil
}

func (s settings) secretOutputs(c credentials) map[string]string {
	switch s.Kind {
	case kindS3:
		return map[string]string{"secret_key": c.Secret}
	default:
		return map[string]string{"password": c.Secret}
	}
}

// made is how the resource was made; the zero settings where it was not.
func (d *Driver) made(name string) (settings, error) {
	var s settings
	b, err := os.ReadFile(filepath.Join(d.folder(name), "made.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, fmt.Errorf("what is known of %s cannot be read: %w", name, err)
	}
	return s, nil
}

// make makes the folder, and says in it what for.
func (d *Driver) make(name string, s settings) error {
	if err := os.MkdirAll(d.data(name), 0o700); err != nil {
		return fmt.Errorf("the folder of %s: %w", name, err)
	}
	return writeJSON(filepath.Join(d.folder(name), "made.json"), s)
}

// writeJSON replaces a file: a reader sees the old or the new one.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return replace(path, b)
}

func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
