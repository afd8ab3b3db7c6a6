//go:build !unix

package main

import "os/exec"

// ownSession does nothing: this system has no sessions that share its cores.
func ownSession(*exec.Cmd) {}
