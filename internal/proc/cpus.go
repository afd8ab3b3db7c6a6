package proc

import (
	"io/fs"
	"math"
	"strconv"
	"strings"
)

// cpusWithin is the number of cores that affinity allows, cut to the quota of the control groups. Part of a core counts
// as none, because spinning threads beyond the quota stop all of them; but there is always one.
func cpusWithin(root fs.FS, affinity int) int {
	n := float64(affinity)
	for _, dir := range groupDirs(root, "cpu") {
		n = min(n, quota(root, dir))
	}
	return max(1, int(math.Floor(n)))
}

// quota reads a group's processor quota in cores; infinite where it has none.
func quota(root fs.FS, dir string) float64 {
	limit, period, ok := strings.Cut(readLine(root, dir+"/cpu.max"), " ")
	if !ok {
		limit, period = readLine(root, dir+"/cpu.cfs_quota_us"), readLine(root, dir+"/cpu.cfs_period_us")
	}
	l, err1 := strconv.ParseFloat(limit, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || l <= 0 || p <= 0 {
		return math.Inf(1)
	}
	return l / p
}

// groupDirs lists the folders of this process's control group and all above it, for one controller, in both versions.
// Inside a container the group's own path is often not visible; the root of what is mounted then holds the limits.
func groupDirs(root fs.FS, controller string) []string {
	data, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var dirs []string
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		base := "sys/fs/cgroup"
		if parts[1] != "" {
			if !hasController(parts[1], controller) {
				continue
			}
			base += "/" + controller
		}
		path := strings.Trim(parts[2], "/")
		for path != "" {
			if dir := base + "/" + path; fs.ValidPath(dir) {
				dirs = append(dirs, dir)
			}
			path = path[:max(0, strings.LastIndexByte(path, '/'))]
		}
		dirs = append(dirs, base)
	}
	return dirs
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

func readLine(root fs.FS, name string) string {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
