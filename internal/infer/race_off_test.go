//go:build !race

package infer

// slowdown is none without the race detector.
const slowdown = 1
