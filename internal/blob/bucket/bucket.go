// Package bucket is one bucket of an S3 server: objects by key, small ones in one piece, files in parts that go on where an
// earlier upload stopped.
//
// It refuses to know what the objects mean, to write over an object that Upload stored, and to make or delete buckets. How
// the server is reached is its caller's business.
package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"ashatai/internal/core"
)

// Doer sends a request. It decides what may be reached.
type Doer interface {
	Do(req *http.Request) (*http.Response, error)
}

// Config says which bucket, and how it is reached.
type Config struct {
	Endpoint  string // address of the server
	Bucket    string // its name; it exists
	Prefix    string // of all keys; empty or ending with a slash
	Region    string
	PathStyle bool // the bucket's name is in the path, not in the host name
	AccessKey string
	SecretKey string
	Doer      Doer
	PartSize  int64 // bytes of a part, at least 5 MiB; 0: 16 MiB
}

const (
	partSize = 16 << 20
	maxParts = 10000
	maxSmall = 16 << 20 // bytes of an object that Read takes
)

// Bucket is one bucket. Its methods are safe for concurrent use.
type Bucket struct {
	cfg Config
	api *s3.Client
}

// Object is what the bucket says of an object.
type Object struct {
	Key      string // without the prefix
	Size     int64  // bytes
	Tag      string // changes with the content
	Modified time.Time
}

// New makes the client. Nothing is sent.
func New(cfg Config) *Bucket {
	if cfg.PartSize == 0 {
		cfg.PartSize = partSize
	}
	return &Bucket{cfg: cfg, api: s3.New(s3.Options{
		BaseEndpoint: aws.String(cfg.Endpoint), Region: cfg.Region, UsePathStyle: cfg.PathStyle, HTTPClient: cfg.Doer,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: cfg.AccessKey, SecretAccessKey: cfg.SecretKey}, nil
		}),
		// The checksums that count are made here. Servers besides AWS do not all know the library's own.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})}
}

func (b *Bucket) key(k string) *string { return aws.String(b.cfg.Prefix + k) }

// Where names the bucket in sentences.
func (b *Bucket) Where() string { return b.cfg.Bucket + " at " + b.cfg.Endpoint }

// Check proves that the bucket is there, and that objects can be listed, written, read and deleted.
func (b *Bucket) Check(ctx context.Context) error {
	_, err := b.api.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.cfg.Bucket, Prefix: &b.cfg.Prefix, MaxKeys: aws.Int32(1)})
	if err != nil {
		return b.explain(err, "listed")
	}
	const probe = "probe"
	want := []byte("written by ashatai doctor\n")
	if err := b.Write(ctx, probe, want); err != nil {
		return err
	}
	got, err := b.Read(ctx, probe)
	if err == nil && !bytes.Equal(got, want) {
		err = core.Errorf(core.CodeUnavailable, "The bucket %s gives back other bytes than were written to it.", b.Where())
	}
	return errors.Join(err, b.Delete(ctx, probe))
}

// List returns the objects whose keys begin with prefix, in the order of their keys.
func (b *Bucket) List(ctx context.Context, prefix string) ([]Object, error) {
	var list []Object
	pages := s3.NewListObjectsV2Paginator(b.api, &s3.ListObjectsV2Input{Bucket: &b.cfg.Bucket, Prefix: b.key(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, b.explain(err, "listed")
		}
		for _, o := range page.Contents {
			list = append(list, Object{
				Key: aws.ToString(o.Key)[len(b.cfg.Prefix):], Size: aws.ToInt64(o.Size), Tag: aws.ToString(o.ETag), Modified: aws.ToTime(o.LastModified),
			})
		}
	}
	return list, nil
}

// Clock is the time of the bucket's server, to the second, by which its objects were modified; the zero time where it does not tell.
func (b *Bucket) Clock(ctx context.Context) (time.Time, error) {
	out, err := b.api.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.cfg.Bucket, Prefix: &b.cfg.Prefix, MaxKeys: aws.Int32(1)})
	if err != nil {
		return time.Time{}, b.explain(err, "listed")
	}
	at, _ := middleware.GetServerTime(out.ResultMetadata)
	return at, nil
}

// Stat looks at one object, and reports whether there is one.
func (b *Bucket) Stat(ctx context.Context, key string) (Object, bool, error) {
	out, err := b.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.cfg.Bucket, Key: b.key(key)})
	if code(err) == "NotFound" {
		return Object{}, false, nil
	}
	if err != nil {
		return Object{}, false, b.explain(err, "looked at")
	}
	return Object{Key: key, Size: aws.ToInt64(out.ContentLength), Tag: aws.ToString(out.ETag), Modified: aws.ToTime(out.LastModified)}, true, nil
}

// Open reads an object from an offset on. The caller closes it. An unknown key is CodeNotFound.
func (b *Bucket) Open(ctx context.Context, key string, from int64) (io.ReadCloser, error) {
	in := &s3.GetObjectInput{Bucket: &b.cfg.Bucket, Key: b.key(key)}
	if from > 0 {
		in.Range = aws.String("bytes=" + strconv.FormatInt(from, 10) + "-")
	}
	out, err := b.api.GetObject(ctx, in)
	if err != nil {
		return nil, b.explain(err, "read")
	}
	return out.Body, nil
}

// Read returns a small object whole. An unknown key is CodeNotFound.
func (b *Bucket) Read(ctx context.Context, key string) ([]byte, error) {
	r, err := b.Open(ctx, key, 0)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxSmall+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, b.explain(err, "read")
	}
	if len(data) > maxSmall {
		return nil, core.Errorf(core.CodeTooLarge, "The object %s of the bucket %s is larger than %d bytes, which it should not be.", key, b.Where(), maxSmall)
	}
	return data, nil
}

// Write stores a small object, in place of the one with its key.
func (b *Bucket) Write(ctx context.Context, key string, data []byte) error {
	_, err := b.api.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.cfg.Bucket, Key: b.key(key), Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))), ChecksumSHA256: checksum(data),
	})
	return b.explain(err, "written to")
}

// Delete removes an object; one that is not there is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	_, err := b.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.cfg.Bucket, Key: b.key(key)})
	return b.explain(err, "written to")
}

// Abort gives up the uploads to keys with a prefix that were begun before a time, so that their parts take no room any more,
// and returns their keys. A dry run only tells.
func (b *Bucket) Abort(ctx context.Context, prefix string, before time.Time, dry bool) ([]string, error) {
	open, err := b.uploads(ctx, prefix)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, u := range open {
		if !aws.ToTime(u.Initiated).Before(before) {
			continue
		}
		if !dry {
			_, err := b.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.cfg.Bucket, Key: u.Key, UploadId: u.UploadId})
			if err != nil && code(err) != noUpload {
				return keys, b.explain(err, "written to")
			}
		}
		keys = append(keys, aws.ToString(u.Key)[len(b.cfg.Prefix):])
	}
	return keys, nil
}

func (b *Bucket) uploads(ctx context.Context, prefix string) ([]types.MultipartUpload, error) {
	var list []types.MultipartUpload
	pages := s3.NewListMultipartUploadsPaginator(b.api, &s3.ListMultipartUploadsInput{Bucket: &b.cfg.Bucket, Prefix: b.key(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, b.explain(err, "listed")
		}
		list = append(list, page.Uploads...)
	}
	return list, nil
}

// checksum is a sha256 as S3 writes it.
func checksum(data []byte) *string {
	sum := sha256.Sum256(data)
	return aws.String(base64.StdEncoding.EncodeToString(sum[:]))
}
