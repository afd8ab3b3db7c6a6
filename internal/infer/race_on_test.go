//go:build race

package infer

// slowdown is by how much the race detector makes such work slower at most.
const slowdown = 10
