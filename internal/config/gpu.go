package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var deviceID = regexp.MustCompile(`^(cuda|vulkan|rocm|metal|mtl)[0-9]{1,3}$`)

// maxSplit is the largest number of devices of one model.
const maxSplit = 16

// checkGPU checks what the settings say about devices.
func checkGPU(pattern, s string) (string, error) {
	low := strings.ToLower(strings.TrimSpace(s))
	switch pattern {
	case "device":
		if !deviceID.MatchString(low) {
			return "", fmt.Errorf("%q is no device; write one as vulkan0 or cuda1, as ashatai runtime devices shows them", s)
		}
		return low, nil
	case "gpu_layers":
		if n, err := strconv.Atoi(low); low != "" && low != "auto" && (err != nil || n < 0 || n > 10000) {
			return "", fmt.Errorf("%q is no number of layers; write auto, or a number from 0 to 10000", s)
		}
		return low, nil
	case "tensor_split":
		_, err := ParseSplit(low)
		return low, err
	case "device_limit":
		id, size, err := ParseDeviceLimit(low)
		if err != nil {
			return "", err
		}
		return id + "=" + size.String(), nil
	}
	name, _, ok := strings.Cut(s, "=")
	if !ok || !slices.Contains(gpuVariables(), name) {
		return "", fmt.Errorf("%q sets no variable of devices; those are %s", s, strings.Join(gpuVariables(), ", "))
	}
	return s, nil
}

// gpuVariables are what drivers and ggml's libraries read that can be needed. Others, such as LD_PRELOAD, stay out.
func gpuVariables() []string {
	return []string{
		"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HSA_OVERRIDE_GFX_VERSION",
		"GGML_VK_VISIBLE_DEVICES", "VK_ICD_FILENAMES", "VK_DRIVER_FILES", "GALLIVM_PERF", "LD_LIBRARY_PATH",
	}
}

// ParseSplit reads "3,1"; empty is no parts.
func ParseSplit(s string) ([]float64, error) {
	if s == "" {
		return nil, nil
	}
	var out []float64
	sum := 0.0
	for part := range strings.SplitSeq(s, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || v < 0 || v > 1e9 {
			return nil, fmt.Errorf("%q are no parts; write numbers with commas between them, as 3,1", s)
		}
		out = append(out, v)
		sum += v
	}
	if sum == 0 || len(out) > maxSplit {
		return nil, fmt.Errorf("%q are no parts; write 1 to %d numbers, of which one is above 0", s, maxSplit)
	}
	return out, nil
}

// ParseDeviceLimit reads "vulkan0=4GiB".
func ParseDeviceLimit(s string) (id string, limit Size, err error) {
	id, text, ok := strings.Cut(strings.ToLower(s), "=")
	if ok && deviceID.MatchString(id) {
		if limit, err = ParseSize(text); err == nil && limit > 0 {
			return id, limit, nil
		}
	}
	return "", 0, fmt.Errorf("%q is no limit of a device; write one as vulkan0=4GiB", s)
}
