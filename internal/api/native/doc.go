// Package native is the dialect of ASHATAI's own clients from before this server: the calls below /api/ai with their
// camelCase fields and their two error shapes. Those clients send fields that the old server overlooked, so a field that
// is not known is logged by name and overlooked here too. The package makes no text, scans no folder and writes no
// project itself.
package native
