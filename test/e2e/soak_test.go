//go:build linux

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// soaking is the length of a long run, which make soak asks for; 0 in make test.
func soaking(t *testing.T) time.Duration {
	t.Helper()
	given(t, "ASHATAI_TEST_BIN")
	v := os.Getenv("ASHATAI_TEST_SOAK")
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < time.Second {
		t.Fatalf("SOAK=%s: give a length of time such as 10m", v)
	}
	return d
}

// scale is how often a repetition repeats: 1 in make test, 10 in make soak.
func scale(t *testing.T) int {
	t.Helper()
	if soaking(t) > 0 {
		return 10
	}
	return 1
}

// say sends one short chat request and returns its status and body.
func say(ctx context.Context, addr string, fields map[string]any) (int, string, error) {
	q := map[string]any{
		"model": "smollm2:135m", "max_tokens": 8, "temperature": 0,
		"messages": []map[string]string{{"role": "user", "content": "In one word: what is the capital of France?"}},
	}
	maps.Copy(q, fields)
	body, err := json.Marshal(q)
	if err != nil {
		return 0, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, addr+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// below lists the processes under pid, as Linux tells them.
func below(t *testing.T, pid int) []int {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread ended
		}
		for field := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(field); err == nil {
				out = append(append(out, n), below(t, n)...)
			}
		}
	}
	return out
}

// resident is the memory of the processes in MiB.
func resident(t *testing.T, pids []int) int {
	t.Helper()
	kib := 0
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), "VmRSS:")
		if f := strings.Fields(rest); len(f) > 0 {
			n, err := strconv.Atoi(f[0])
			if err != nil {
				t.Fatal(err)
			}
			kib += n
		}
	}
	return kib / 1024
}

// TestSoakRequests sends many short requests, eight at a time: each is answered alike, and memory stays where it was.
func TestSoakRequests(t *testing.T) {
	n := 100 * scale(t)
	addr, pid := siteProcess(t)
	status, first, err := say(t.Context(), addr, nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", status, err, first)
	}
	want := content(t, first)
	var next, wrong atomic.Int64
	burst := func(until int) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for next.Add(1) <= int64(until) {
					status, body, err := say(t.Context(), addr, nil)
					if err != nil || status != http.StatusOK || content(t, body) != want {
						wrong.Add(1)
						t.Errorf("status %d, %v: %s", status, err, body)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	burst(n / 4)
	before := resident(t, append(below(t, pid), pid))
	next.Store(int64(n / 4))
	burst(n)
	after := resident(t, append(below(t, pid), pid))
	t.Logf("%d requests, %d wrong; %d MiB after a quarter, %d MiB at the end", n, wrong.Load(), before, after)
	if after > before+64 {
		t.Errorf("memory grew from %d to %d MiB", before, after)
	}
}

// content is the text of an answer; an answer that is not one fails the test.
func content(t *testing.T, body string) string {
	t.Helper()
	var v struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"choices"`
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil || len(v.Choices) != 1 {
		t.Errorf("not an answer (%v): %s", err, body)
		return ""
	}
	return v.Choices[0].Message.Content
}

// TestSoakKills ends the worker again and again while a stream runs: that stream ends with an error, or, where nothing of it
// had been sent yet, is served whole by the next worker; the next request is answered.
func TestSoakKills(t *testing.T) {
	rounds, broken := 3*scale(t), 0
	addr, pid := siteProcess(t)
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/task", pid)); err != nil {
		t.Skip("this system does not tell a process's children")
	}
	for i := range rounds {
		if status, body, err := say(t.Context(), addr, nil); err != nil || status != http.StatusOK {
			t.Fatalf("round %d: status %d, %v: %s", i, status, err, body)
		}
		type answer struct {
			body string
			err  error
		}
		done := make(chan answer, 1)
		go func() {
			_, body, err := say(t.Context(), addr, map[string]any{
				"stream": true, "max_tokens": 400, "ignore_eos": true, "seed": i, // some are served whole
				"messages": []map[string]string{{"role": "user", "content": fmt.Sprintf("Tell story number %d.", i)}},
			})
			done <- answer{body, err}
		}()
		select {
		case a := <-done:
			t.Fatalf("round %d: the stream ended before the kill: %v %s", i, a.err, a.body)
		case <-time.After(400 * time.Millisecond):
		}
		workers := below(t, pid)
		if len(workers) == 0 {
			t.Fatalf("round %d: the server has no worker", i)
		}
		for _, w := range workers {
			if err := syscall.Kill(w, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
		a := <-done
		broke, whole := strings.Contains(a.body, `"error"`), strings.Contains(a.body, "[DONE]")
		if a.err == nil && broke == whole {
			t.Fatalf("round %d: the stream does not say that it broke: …%s", i, a.body[max(0, len(a.body)-400):])
		}
		if !whole {
			broken++
		}
	}
	if 2*broken < rounds {
		t.Errorf("%d of %d streams broke; the kills came too early to show anything", broken, rounds)
	}
}
