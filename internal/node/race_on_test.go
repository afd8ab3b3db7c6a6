//go:build race

package node

// slowdown is by how much the race detector makes such work slower at most.
const slowdown = 10
