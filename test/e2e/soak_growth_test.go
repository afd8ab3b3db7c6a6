//go:build linux

package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sample is what a server holds at one moment.
type sample struct {
	front, workers           int // MiB
	files, workerFiles       int
	goroutines, requests     int
	ledger                   int // MiB that the server says its models hold
	processes, workerThreads int
}

// look takes a sample. The request for the metrics is in it: a descriptor and some goroutines.
func look(ctx context.Context, t *testing.T, addr string, pid int) sample {
	t.Helper()
	workers := below(t, pid)
	s := sample{
		front: resident(t, []int{pid}), workers: resident(t, workers), files: entries(pid, "fd"), processes: len(workers),
	}
	for _, w := range workers {
		s.workerFiles += entries(w, "fd")
		s.workerThreads += entries(w, "task")
	}
	m := metrics(ctx, t, addr)
	s.goroutines, s.requests = int(m["go_goroutines"]), int(m["ashatai_http_requests_in_flight"])
	s.ledger = int(m[`ashatai_memory_bytes{line="used"}`] / (1 << 20))
	return s
}

// entries counts what is in a folder of a process; 0 where the process is gone.
func entries(pid int, dir string) int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", pid, dir))
	if err != nil {
		return 0
	}
	return len(list)
}

// metrics reads /metrics; a server that is too busy to tell fails the test.
func metrics(ctx context.Context, t *testing.T, addr string) map[string]float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, addr+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Errorf("metrics: %v", err)
		return nil
	}
	defer res.Body.Close()
	out := map[string]float64{}
	for sc := bufio.NewScanner(res.Body); sc.Scan(); {
		if i := strings.LastIndexByte(sc.Text(), ' '); i > 0 && !strings.HasPrefix(sc.Text(), "#") {
			if v, err := strconv.ParseFloat(sc.Text()[i+1:], 64); err == nil {
				out[sc.Text()[:i]] = v
			}
		}
	}
	if out["go_goroutines"] == 0 {
		t.Errorf("the metrics tell no go_goroutines: %v", out)
	}
	return out
}

// atRest waits until nothing is being answered and what requests held is given back, and takes a sample then.
func atRest(t *testing.T, addr string, pid int, held func(sample) bool) sample {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); ; {
		s := look(t.Context(), t, addr, pid)
		if s.requests <= 1 && !held(s) || time.Now().After(until) {
			return s
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// growth compares the first third of the samples with the last: the medians, so that one moment decides nothing.
func growth(all []sample, of func(sample) int) (before, after int) {
	middle := func(part []sample) int {
		var v []int
		for _, s := range part {
			v = append(v, of(s))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	third := len(all) / 3
	return middle(all[:third]), middle(all[len(all)-third:])
}

// checkGrowth judges samples that were taken under the same load, after the caches had seen every prompt.
func checkGrowth(t *testing.T, all []sample) {
	t.Helper()
	if len(all) < 9 {
		t.Fatalf("%d samples tell nothing of growth", len(all))
	}
	for _, c := range []struct {
		name string
		of   func(sample) int
		most int
	}{
		{"the front's memory, MiB", func(s sample) int { return s.front }, 16},
		// Beside what its bounds name, the cache of prefixes keeps one spare buffer and writes another: 35 MiB each for a long prompt.
		{"the worker's memory, MiB", func(s sample) int { return s.workers }, 96},
		{"the front's descriptors", func(s sample) int { return s.files }, 8},
		{"the worker's descriptors", func(s sample) int { return s.workerFiles }, 4},
		{"the worker's threads", func(s sample) int { return s.workerThreads }, 4},
		{"goroutines", func(s sample) int { return s.goroutines }, 40},
	} {
		before, after := growth(all, c.of)
		t.Logf("%s: %d, later %d", c.name, before, after)
		if after > before+c.most {
			t.Errorf("%s grew from %d to %d", c.name, before, after)
		}
	}
	for _, s := range all {
		if s.workers > s.ledger*11/10+64 {
			t.Errorf("the worker holds %d MiB, and the server accounts for %d", s.workers, s.ledger)
			break
		}
	}
}
