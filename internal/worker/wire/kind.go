package wire

import "strconv"

// Protocol is the version of the frames and headers; both sides must have the same.
const Protocol = 1

// Exit codes of a worker.
const (
	ExitClean    = 0
	ExitFailed   = 1
	ExitUsage    = 64
	ExitPanic    = 70
	ExitProtocol = 76
)

// Kind says what a frame is.
type Kind uint8

// The kinds of frames, as the package comment explains them.
const (
	KindHello Kind = iota + 1
	KindHeartbeat
	KindFatal
	KindProbe
	KindStatus
	KindLoad
	KindProgress
	KindLoaded
	KindGenerate
	KindAccepted
	KindEvent
	KindEnd
	KindError
	KindCancel
	KindEmbed
	KindVectors
	KindTokenize
	KindTokens
	KindDetokenize
	KindBytes
	KindStats
	KindStatsNow
	KindClose
	KindVariant
	KindVariantMade
	KindShare
	KindRerank
	KindInfer
	KindTensors
	KindDevices
	KindDeviceList

	kindEnd
)

// String is the kind's name in the protocol.
func (k Kind) String() string {
	names := [...]string{
		KindHello: "hello", KindHeartbeat: "heartbeat", KindFatal: "fatal", KindProbe: "probe", KindStatus: "status", KindLoad: "load",
		KindProgress: "progress", KindLoaded: "loaded", KindGenerate: "generate", KindAccepted: "accepted", KindEvent: "event", KindEnd: "end",
		KindError: "error", KindCancel: "cancel", KindEmbed: "embed", KindVectors: "vectors", KindTokenize: "tokenize", KindTokens: "tokens",
		KindDetokenize: "detokenize", KindBytes: "bytes", KindStats: "stats", KindStatsNow: "stats_now", KindClose: "close",
		KindVariant: "variant", KindVariantMade: "variant_made", KindShare: "share", KindRerank: "rerank",
		KindInfer: "infer", KindTensors: "tensors", KindDevices: "devices", KindDeviceList: "device_list",
	}
	if k == 0 || k >= kindEnd {
		return "kind " + strconv.Itoa(int(k))
	}
	return names[k] //nolint:gosec // k is below kindEnd
}
