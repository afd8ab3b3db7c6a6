package config

import (
	"strings"
	"testing"
)

func TestGPU(t *testing.T) {
	s := mustLoad(t, map[string]string{"ashatai.yaml": "gpu: {policy: require-gpu, memory_limits: [VULKAN0=4GiB], environment: [CUDA_VISIBLE_DEVICES=0]}\n" +
		"models:\n  a: {gpu_policy: cpu, devices: [Cuda0, cuda1], gpu_layers: auto, split: row, tensor_split: '3, 1'}\n  b: {gpu_layers: '7'}\n"}, nil, nil)
	m := s.Models["a:latest"]
	if s.GPU.Policy != "require-gpu" || s.GPU.MemoryLimits[0] != "vulkan0=4GiB" || m.Devices[0] != "cuda0" || m.GPULayers != "auto" || m.Split != "row" || s.Models["b:latest"].GPULayers != "7" {
		t.Errorf("%+v %+v", s.GPU, m)
	}
	if parts, err := ParseSplit(m.TensorSplit); err != nil || len(parts) != 2 || parts[0] != 3 {
		t.Errorf("%v %v", parts, err)
	}
	for text, want := range map[string]string{
		"gpu: {memory_limits: [4GiB]}":               "vulkan0=4GiB",
		"gpu: {memory_limits: [vulkan0=much]}":       "vulkan0=4GiB",
		"gpu: {environment: [LD_PRELOAD=/x.so]}":     "LD_LIBRARY_PATH",
		"gpu: {environment: [CUDA_VISIBLE_DEVICES]}": "CUDA_VISIBLE_DEVICES",
		"models: {a: {devices: [best]}}":             "vulkan0 or cuda1",
		"models: {a: {gpu_layers: most}}":            "write auto",
		"models: {a: {tensor_split: '0,0'}}":         "above 0",
		"models: {a: {tensor_split: 'a'}}":           "as 3,1",
	} {
		_, err := load(t, map[string]string{"ashatai.yaml": text}, nil, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
