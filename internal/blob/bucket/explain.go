package bucket

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"ashatai/internal/core"
)

const noUpload = "NoSuchUpload"

// code is what the server calls an error; empty for one that is not the server's.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// explain makes a sentence of a failure; act is what could not be done with the bucket, as "read".
func (b *Bucket) explain(err error, act string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return core.AsError(err)
	}
	if e, ok := errors.AsType[*core.Error](err); ok {
		return core.Wrap(e.Code, err, "The bucket %s could not be %s. %s", b.Where(), act, e.Message)
	}
	status := 0
	if re, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = re.HTTPStatusCode()
	}
	switch c := code(err); {
	case c == "NoSuchKey":
		return core.Wrap(core.CodeNotFound, err, "The bucket %s does not hold what was asked for.", b.Where())
	case c == "NoSuchBucket":
		return core.Wrap(core.CodeUnavailable, err, "There is no bucket %s. Make it, or name another with blobs.bucket.", b.Where())
	case c == "InvalidAccessKeyId", c == "XAdminUserNotFound", c == "SignatureDoesNotMatch", c == "AccessDenied", status == http.StatusForbidden, status == http.StatusUnauthorized:
		return core.Wrap(core.CodeUnavailable, err,
			"The bucket %s could not be %s: its server refuses the credentials. Check blobs.access_key and blobs.secret_key, and what they may do.", b.Where(), act)
	case c == "PermanentRedirect", c == "AuthorizationHeaderMalformed", status == http.StatusMovedPermanently:
		return core.Wrap(core.CodeUnavailable, err, "The bucket %s is in another region than %s. Set blobs.region.", b.Where(), b.cfg.Region)
	case c == "QuotaExceeded", c == "XMinioStorageFull", status == http.StatusInsufficientStorage:
		return core.Wrap(core.CodeDiskFull, err, "The bucket %s is full. Make room there.", b.Where())
	case c == "BadDigest", c == "XAmzContentSHA256Mismatch", c == "XAmzContentChecksumMismatch":
		return core.Wrap(core.CodeUnavailable, err, "Bytes changed on their way to the bucket %s, which refused them. Try again.", b.Where())
	}
	return core.Wrap(core.CodeUnavailable, err, "The bucket %s could not be %s; the log has the cause.", b.Where(), act)
}
