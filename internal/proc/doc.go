// Package proc starts child processes under limits and says what this process itself may use of the machine. It is the
// only package of the product that starts a process, and it never hands a child anything that its Spec does not name: no
// environment, no descriptors, no working folder by accident. It does not know what its children do.
//
// On Linux a child leads a process group of its own, dies when its parent dies (parent-death signal), and has its limits
// set by the kernel. Elsewhere it is weaker: on other Unix systems there is no parent-death signal and no memory limit, and a
// child sees its parent's end only by its channel closing; on Windows the channel is the child's standard input and output
// instead of a socket pair, there is no process group and there are no limits.
package proc
