package config

import (
	"strings"
	"testing"
)

func TestBlobs(t *testing.T) {
	const whole = "blobs: {endpoint: \"http://10.0.0.1:9000\", bucket: b, access_key: a, secret_key: s"
	s := mustLoad(t, map[string]string{"ashatai.yaml": whole + ", prefix: ashatai/, cache: 10GiB}"}, nil, nil)
	if !s.Blobs.On() || s.Blobs.Cache != 10<<30 || !s.Blobs.PathStyle || s.Blobs.Region != "us-east-1" {
		t.Errorf("%+v", s.Blobs)
	}
	if Default().Blobs.On() {
		t.Error("there is a bucket that nobody named")
	}
	for text, part := range map[string]string{
		"blobs: {endpoint: \"http://h\", bucket: b, access_key: a}":     "ashatai.yaml, line 1: blobs.secret_key is missing",
		"blobs: {endpoint: \"http://h\", access_key: a, secret_key: s}": "blobs.bucket is missing",
		"blobs: {bucket: b}":         "blobs.bucket is set without blobs.endpoint",
		whole + ", prefix: /x/}":     "blobs.prefix is \"/x/\"",
		whole + ", prefix: x}":       "blobs.prefix is \"x\"",
		whole + ", grace: 1s}":       "grace",
		"blobs: {endpoint: nowhere}": "blobs.endpoint",
		"blobs: {buckett: b}":        "blobs.bucket",
	} {
		if err := tryLoad(t, text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
