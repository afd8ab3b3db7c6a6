package offload

import (
	"context"
	"math"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/native/llama"
)

// The product that a device must compute as the processor does: rows of 256 numbers, so that every kind of device takes its
// usual way, and few enough of them for one that the processor plays.
const (
	rowLength = 256
	rowsA     = 64
	rowsB     = 32
	mostError = 0.01 // relative; half-precision sums of 256 products differ by 0.001
)

// Probe opens a backend's library, lists its devices and lets each compute a small product. What cannot be used is in the
// list with the reason, or in the notes; there is no other error.
func (l Libraries) Probe(ctx context.Context, lib *llama.Library, backend string) device.Report {
	if err := l.Open(lib, backend); err != nil {
		return device.Report{Notes: []string{core.AsError(err).Message}}
	}
	var out device.Report
	all := lib.Devices()
	a, b := matrix(rowsA, 1), matrix(rowsB, 2)
	var right []float32
	for _, d := range all {
		if d.Kind == llama.DeviceCPU && right == nil {
			right, _ = lib.MulMat(d, a, b, rowLength)
		}
	}
	for _, d := range all {
		if d.Kind != llama.DeviceGPU && d.Kind != llama.DeviceIntegrated || backendOf(d.Backend) != backend {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		x := describe(d)
		got, err := lib.MulMat(d, a, b, rowLength)
		if err == nil {
			x.Error = distance(right, got)
			if math.IsNaN(x.Error) || x.Error > mostError {
				err = differs(x.Error, mostError)
				x.Error = 0 // JSON has no NaN
			}
		}
		if err != nil {
			x.Missing = "It was found and computed wrongly: " + strings.TrimPrefix(err.Error(), llama.ErrDevice.Error()+": ") + ". Update its driver."
		} else {
			x.Runtimes = []string{catalog.LlamaCpp}
		}
		out.Devices = append(out.Devices, x)
	}
	if len(out.Devices) == 0 {
		out.Notes = append(out.Notes, "llama.cpp's library for "+backend+" is installed and finds no device; "+hint(backend))
	}
	return out
}

func hint(backend string) string {
	switch backend {
	case device.Vulkan:
		return "install your card's Vulkan driver, whose description (*.json) belongs into /usr/share/vulkan/icd.d, and see that this user may open /dev/dri."
	case device.CUDA:
		return "see what nvidia-smi says, and that this user may open /dev/nvidia0."
	}
	return "see that this user may open the card's device file."
}

// matrix is rows of numbers between -1 and 1 that never change.
func matrix(rows int, seed uint32) []float32 {
	out := make([]float32, rows*rowLength)
	x := seed*2654435761 + 1
	for i := range out {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		out[i] = float32(x)/math.MaxUint32*2 - 1
	}
	return out
}

// distance is how far got is from right, relative to the size of right: 0 is equal, NaN cannot be compared.
func distance(right, got []float32) float64 {
	if len(right) == 0 || len(right) != len(got) {
		return math.NaN()
	}
	var diff, all float64
	for i, r := range right {
		d := float64(got[i]) - float64(r)
		diff += d * d
		all += float64(r) * float64(r)
	}
	return math.Sqrt(diff / all)
}
