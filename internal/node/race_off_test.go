//go:build !race

package node

// slowdown is none without the race detector.
const slowdown = 1
