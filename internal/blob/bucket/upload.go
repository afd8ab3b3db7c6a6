package bucket

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"ashatai/internal/core"
)

// Upload stores size bytes of r under a key that names its content: an object that is there stays as it is. A large one goes
// in parts, each with its sha256, which the server compares; parts that an earlier upload of the same key brought are not
// sent again. sent, when not nil, gets the number of bytes that are there. After an error the parts stay for the next try.
func (b *Bucket) Upload(ctx context.Context, key string, r io.ReaderAt, size int64, sent func(int64)) error {
	if sent == nil {
		sent = func(int64) {}
	}
	for try := 0; ; try++ {
		o, there, err := b.Stat(ctx, key)
		switch {
		case err != nil:
			return err
		case there && o.Size != size:
			return core.Errorf(core.CodeUnavailable,
				"The bucket %s holds %d bytes under %s, where %d were expected. Delete that object and try again.", b.Where(), o.Size, key, size)
		case there:
			sent(size)
			return nil
		case try == uploads:
			return core.Errorf(core.CodeUnavailable, "The bucket %s took %d bytes for %s and does not show them. Try again.", b.Where(), size, key)
		case size <= b.cfg.PartSize:
			err = b.uploadWhole(ctx, key, r, size)
		default:
			err = b.uploadParts(ctx, key, r, size, sent)
		}
		if err != nil && (core.CodeOf(err) != core.CodeUnavailable || try+1 == uploads) {
			return err
		}
	}
}

// uploads is how often one is begun: a line breaks, and another server that sends the same file may end the upload of both. Parts
// that are there are not sent again.
const uploads = 3

// stored takes a key that somebody else gave an object meanwhile, also by ending this upload, for success: the key names the
// content, and Upload looks at it afterwards.
func (b *Bucket) stored(err error) error {
	switch code(err) {
	case "PreconditionFailed", "ConditionalRequestConflict", noUpload:
		return nil
	}
	return b.explain(err, "written to")
}

const onlyNew = "*" // as If-None-Match: no object may have the key

func (b *Bucket) uploadWhole(ctx context.Context, key string, r io.ReaderAt, size int64) error {
	data, err := read(r, 0, size)
	if err != nil {
		return err
	}
	_, err = b.api.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.cfg.Bucket, Key: b.key(key), Body: bytes.NewReader(data), ContentLength: &size, ChecksumSHA256: checksum(data), IfNoneMatch: aws.String(onlyNew),
	})
	return b.stored(err)
}

func (b *Bucket) uploadParts(ctx context.Context, key string, r io.ReaderAt, size int64, sent func(int64)) error {
	u, err := b.begin(ctx, key)
	if err != nil {
		return err
	}
	chunk := max(b.cfg.PartSize, (size-1)/maxParts+1)
	done := make([]types.CompletedPart, 0, (size-1)/chunk+1)
	for at := int64(0); at < size; at += chunk {
		data, err := read(r, at, min(chunk, size-at))
		if err != nil {
			return err
		}
		part := types.CompletedPart{PartNumber: aws.Int32(int32(len(done)) + 1), ChecksumSHA256: checksum(data)} //nolint:gosec // at most maxParts
		if part.ETag = u.have(part, int64(len(data))); part.ETag == nil {
			out, err := b.api.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: &b.cfg.Bucket, Key: b.key(key), UploadId: &u.id, PartNumber: part.PartNumber, Body: bytes.NewReader(data), ChecksumSHA256: part.ChecksumSHA256,
			})
			if err != nil {
				return b.stored(err)
			}
			part.ETag = out.ETag
		}
		done = append(done, part)
		sent(at + int64(len(data)))
	}
	_, err = b.api.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &b.cfg.Bucket, Key: b.key(key), UploadId: &u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}, IfNoneMatch: aws.String(onlyNew),
	})
	return b.stored(err)
}

// upload is one that is open, and the parts it has.
type upload struct {
	id    string
	parts []types.Part
}

// have is the tag of a part that is there already: the same number, bytes and sha256.
func (u upload) have(want types.CompletedPart, size int64) *string {
	i := slices.IndexFunc(u.parts, func(p types.Part) bool {
		return aws.ToInt32(p.PartNumber) == *want.PartNumber && aws.ToInt64(p.Size) == size && aws.ToString(p.ChecksumSHA256) == *want.ChecksumSHA256
	})
	if i < 0 {
		return nil
	}
	return u.parts[i].ETag
}

// begin goes on with the newest upload of the key, or opens one. Where what is open cannot be listed, a new one is.
func (b *Bucket) begin(ctx context.Context, key string) (upload, error) {
	if open, err := b.uploads(ctx, key); err == nil && len(open) > 0 {
		last := slices.MaxFunc(open, func(x, y types.MultipartUpload) int {
			return cmp.Compare(aws.ToTime(x.Initiated).UnixNano(), aws.ToTime(y.Initiated).UnixNano())
		})
		u := upload{id: aws.ToString(last.UploadId)}
		pages := s3.NewListPartsPaginator(b.api, &s3.ListPartsInput{Bucket: &b.cfg.Bucket, Key: b.key(key), UploadId: &u.id})
		for err == nil && pages.HasMorePages() {
			var page *s3.ListPartsOutput
			if page, err = pages.NextPage(ctx); err == nil {
				u.parts = append(u.parts, page.Parts...)
			}
		}
		if err == nil {
			return u, nil
		}
	}
	out, err := b.api.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &b.cfg.Bucket, Key: b.key(key), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	})
	if err != nil {
		return upload{}, b.explain(err, "written to")
	}
	return upload{id: aws.ToString(out.UploadId)}, nil
}

func read(r io.ReaderAt, at, n int64) ([]byte, error) {
	data := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(r, at, n), data); err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "A file that is to go into the bucket cannot be read to its end; the log has the cause.")
	}
	return data, nil
}
