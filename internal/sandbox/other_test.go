//go:build !linux

package sandbox

func childMain([]string, string, bool) int { return 1 }
