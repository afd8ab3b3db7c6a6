package config

import (
	"strings"
	"time"

	"ashatai/internal/core"
)

// Blobs settings: a bucket of an S3 server that several servers share, and how long what nobody names stays.
type Blobs struct {
	Endpoint  string        `key:"endpoint" pattern:"url" doc:"Address of the S3 server, as https://s3.example.org; empty: models are kept in the home alone. This host may be reached although it is private."`
	Bucket    string        `key:"bucket" doc:"Name of the bucket, which exists already."`
	Prefix    string        `key:"prefix" doc:"What the names of all objects begin with, as ashatai/; empty: nothing."`
	Region    string        `key:"region" doc:"Region of the bucket."`
	PathStyle bool          `key:"path_style" doc:"The bucket's name is in the path of an address, and not in its host name."`
	AccessKey string        `key:"access_key" secret:"true" doc:"Name of the credential for the bucket; better in the environment, as ASHATAI__BLOBS__ACCESS_KEY."`
	SecretKey string        `key:"secret_key" secret:"true" doc:"Its secret; better in the environment, as ASHATAI__BLOBS__SECRET_KEY."`
	Cache     Size          `key:"cache" min:"0B" max:"1024TiB" doc:"The most that models of the bucket take in the home, where they are mapped from; those go first that were not used for the longest time. 0B: what the disk has room for."`
	Refresh   time.Duration `key:"refresh" min:"1s" max:"24h" doc:"How often the server looks which models other servers put into the bucket or removed from it."`
	Grace     time.Duration `key:"grace" min:"1m" max:"87600h" doc:"How long a file stays that no model has, after it was written, asked for or claimed, and a download that nobody goes on with."`
}

// On reports whether there is a bucket.
func (b Blobs) On() bool { return b.Endpoint != "" }

// refuseBlobs stops the start where the settings of the bucket do not fit together.
func refuseBlobs(s *Settings, from map[string]origin) error {
	b := s.Blobs
	for _, one := range []struct{ key, have, why string }{
		{"bucket", b.Bucket, "name the bucket, which exists already"},
		{"access_key", b.AccessKey, "it is the name of the credential for the bucket"},
		{"secret_key", b.SecretKey, "it is the secret of the credential for the bucket"},
	} {
		if b.On() && one.have == "" {
			return core.Invalid("blobs."+one.key, "%s: blobs.%s is missing: %s.", from["blobs.endpoint"], one.key, one.why)
		}
		if !b.On() && one.have != "" {
			return core.Invalid("blobs.endpoint", "%s: blobs.%s is set without blobs.endpoint, the address of the S3 server.", from["blobs."+one.key], one.key)
		}
	}
	if strings.HasPrefix(b.Prefix, "/") || b.Prefix != "" && !strings.HasSuffix(b.Prefix, "/") {
		return core.Invalid("blobs.prefix", "%s: blobs.prefix is %q; write it with a slash at its end and none at its start, as ashatai/.", from["blobs.prefix"], b.Prefix)
	}
	return nil
}
