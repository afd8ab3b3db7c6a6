package proc

import (
	"io/fs"
	"math"
	"strconv"
	"strings"
)

// memoryWithin is the memory that this process can still take without swapping, in bytes: what the system has, cut to
// what its control groups leave. Zero when nothing is known.
func memoryWithin(root fs.FS) int64 {
	n := int64(math.MaxInt64)
	if kib, ok := field(root, "proc/meminfo", "MemAvailable:"); ok {
		n = kib * 1024
	}
	for _, dir := range groupDirs(root, "memory") {
		n = min(n, headroom(root, dir))
	}
	if n == math.MaxInt64 {
		return 0
	}
	return max(0, n)
}

// headroom is a group's limit less what it uses; file pages that the kernel can drop at once do not count as used.
func headroom(root fs.FS, dir string) int64 {
	for _, names := range [][3]string{
		{"/memory.max", "/memory.current", "inactive_file"},
		{"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file"},
	} {
		limit, err1 := strconv.ParseInt(readLine(root, dir+names[0]), 10, 64)
		used, err2 := strconv.ParseInt(readLine(root, dir+names[1]), 10, 64)
		if err1 != nil || err2 != nil {
			continue // no such file, or "max"
		}
		cached, _ := field(root, dir+"/memory.stat", names[2])
		return limit - used + min(cached, used)
	}
	return math.MaxInt64
}

// field reads the number after a key of a "key value" file.
func field(root fs.FS, name, key string) (int64, bool) {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == key {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
