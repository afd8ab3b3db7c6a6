package proc

import (
	"testing"
	"testing/fstest"
)

func tree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestCPUsWithinTheQuota(t *testing.T) {
	for _, c := range []struct {
		name     string
		files    map[string]string
		affinity int
		want     int
	}{
		{"no groups", nil, 8, 8},
		{"v2 none", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 8, 8},
		{"v2 parent", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "350000 100000\n"}, 8, 3},
		{"v2 container", map[string]string{"proc/self/cgroup": "0::/../x\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 8, 2},
		{"v2 part of a core", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 8, 1},
		{"affinity is less", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "800000 100000\n"}, 2, 2},
		{"v1", map[string]string{
			"proc/self/cgroup": "3:memory:/m\n2:cpu,cpuacct:/a\nbroken\n", "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "400000\n", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
		}, 16, 4},
		{"v1 none", map[string]string{
			"proc/self/cgroup": "2:cpu:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		}, 16, 16},
		{"nonsense", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "a b c"}, 4, 4},
	} {
		if got := cpusWithin(tree(c.files), c.affinity); got != c.want {
			t.Errorf("%s: %d cores, want %d", c.name, got, c.want)
		}
	}
}

func TestMemoryWithinTheGroups(t *testing.T) {
	const system = "MemTotal: 900 kB\nMemAvailable:     100 kB\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing known", nil, 0},
		{"system", map[string]string{"proc/meminfo": system}, 100 << 10},
		{"v2", map[string]string{
			"proc/meminfo": system, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "5000\n", "sys/fs/cgroup/a/memory.current": "3000\n",
			"sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 500\n",
		}, 2500},
		{"v2 max", map[string]string{"proc/meminfo": system, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "1\n"}, 100 << 10},
		{"v1 over", map[string]string{
			"proc/self/cgroup": "4:memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "10\n", "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "20\n",
		}, 0},
	} {
		if got := memoryWithin(tree(c.files)); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.want)
		}
	}
}
