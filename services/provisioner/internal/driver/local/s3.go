package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
)

// serveS3 is a versitygw with one bucket on a folder.
func serveS3(ctx context.Context, o order, ready func(int) error) error {
	addr, port, err := o.address()
	if err != nil {
		return err
	}
	files, attributes := filepath.Join(o.data(), "buckets"), filepath.Join(o.data(), "attributes")
	for _, dir := range []string{files, attributes} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	// Attributes in files of their own: not every file system keeps extended ones.
	side, err := meta.NewSideCar(attributes)
	if err != nil {
		return err
	}
	store, err := posix.New(files, side, posix.PosixOpts{SideCarDir: attributes, NewDirPerm: 0o700, NewFilePerm: 0o600})
	if err != nil {
		return err
	}
	if err := makeBucket(ctx, store, filepath.Join(files, o.Bucket), o); err != nil {
		return fmt.Errorf("its bucket cannot be made: %w", err)
	}
	listening := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		failed <- embedgw.RunVersityGW(ctx, store, &embedgw.Config{
			RootUserAccess: o.accessKey(), RootUserSecret: o.Secret, Region: region,
			Ports: []string{addr}, MaxConnections: 1024, MaxRequests: 512, MultipartMaxParts: 10_000,
			KeepAlive: true, Quiet: true,
			S3Options: []s3api.Option{s3api.WithOnListen(func() { close(listening) })},
		})
	}()
	select {
	case err := <-failed:
		return err
	case <-listening:
	}
	if err := ready(port); err != nil {
		return err
	}
	err = <-failed
	if ctx.Err() != nil {
		return nil // asked to stop: everything is in files already
	}
	return errors.Join(errors.New("the server ended by itself"), err)
}

// makeBucket makes the bucket unless it is there. It may be there in part: a
// folder without the attributes that make it a bucket.
func makeBucket(ctx context.Context, store *posix.Posix, folder string, o order) error {
	if _, err := store.GetBucketAcl(ctx, &awss3.GetBucketAclInput{Bucket: &o.Bucket}); err == nil {
		return nil
	}
	if err := os.Remove(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	acl, err := json.Marshal(auth.ACL{Owner: o.accessKey()})
	if err != nil {
		return err
	}
	return store.CreateBucket(ctx, &awss3.CreateBucketInput{
		Bucket: &o.Bucket, ObjectOwnership: s3types.ObjectOwnershipBucketOwnerEnforced,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{},
	}, acl)
}
