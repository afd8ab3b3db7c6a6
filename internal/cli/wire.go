package cli

import (
	"net/url"
	"strings"
	"time"

	"ashatai/internal/core"
)

// The answers of the server's own API, as far as this program looks into them.

type modelSummary struct {
	Name         string    `json:"name"`
	Digest       string    `json:"digest"`
	Format       string    `json:"format"`
	Size         int64     `json:"size"`
	Architecture string    `json:"architecture"`
	Parameters   int64     `json:"parameter_count"`
	Quantization string    `json:"quantization"`
	Context      int       `json:"context"`
	Capabilities []string  `json:"capabilities"`
	Aliases      []string  `json:"aliases"`
	Created      time.Time `json:"created"`
}

type modelList struct {
	Models []modelSummary `json:"models"`
}

type modelFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

type modelDetail struct {
	modelSummary

	Files    []modelFile       `json:"files"`
	Template string            `json:"template"`
	System   string            `json:"system"`
	Defaults map[string]any    `json:"parameters"`
	License  string            `json:"license"`
	Source   string            `json:"source"`
	Labels   map[string]string `json:"labels"`
	Stop     []string          `json:"stop"`
	Window   int               `json:"window"`
	Messages []core.Turn       `json:"messages"`

	Sampling  core.Sampling `json:"-"` // Defaults once more, typed
	Optimized *optimized    `json:"optimized"`
}

type instance struct {
	Model     string         `json:"model"`
	Runtime   string         `json:"runtime"`
	Device    string         `json:"device"`
	State     string         `json:"state"`
	Context   int            `json:"context"`
	Sequences int            `json:"sequences"`
	Active    int            `json:"active"`
	Queued    int            `json:"queued"`
	Memory    instanceMemory `json:"memory"`
	Pinned    bool           `json:"pinned"`
	Fallback  string         `json:"fallback"`
	ExpiresAt *time.Time     `json:"expires_at"`
}

type instanceMemory struct {
	Total int64 `json:"total"`
}

type instanceList struct {
	Instances []instance `json:"instances"`
}

type unloadRequest struct {
	Model string `json:"model"`
}

type unloaded struct {
	Unloaded string `json:"unloaded"`
}

type removed struct {
	Removed string  `json:"removed"`
	Aliases []alias `json:"aliases"`
}

type pullRequest struct {
	Source string `json:"source"`
	Name   string `json:"name,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	Detach bool   `json:"detach,omitempty"`
}

type serverVersion struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go,omitempty"`
	OS      string `json:"os,omitempty"`
	Arch    string `json:"arch,omitempty"`
}

// modelPath is the path of one model; slashes between the parts of a name stay.
func modelPath(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return "/api/v1/models/" + strings.Join(parts, "/")
}
