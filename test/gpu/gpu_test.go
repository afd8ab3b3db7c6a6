//go:build linux

// These tests run the built server with a Vulkan device that the processor plays, as docs/gpu.md says.
package gpu_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ashatai/internal/gguf/gguftest"
	"ashatai/test/launch"
)

// home makes a data folder with two models, one of which must be on a device, and a driver's description that the test can
// take away.
func home(t *testing.T) (dir, icd string) {
	t.Helper()
	if os.Getenv("ASHATAI_TEST_VULKAN") == "" || os.Getenv("ASHATAI_TEST_ICD") == "" {
		t.Skip("there is no Vulkan device that the processor plays, or no library for it; docs/gpu.md says how to get both")
	}
	dir = t.TempDir()
	text, err := os.ReadFile(os.Getenv("ASHATAI_TEST_ICD"))
	if err != nil {
		t.Fatal(err)
	}
	icd = filepath.Join(t.TempDir(), "icd.json")
	write(t, icd, string(text))
	write(t, filepath.Join(dir, "ashatai.yaml"), fmt.Sprintf(`
gpu:
  enabled: true
  memory_limits: [vulkan0=1GiB]
  environment: [GGML_VK_VISIBLE_DEVICES=0, "VK_ICD_FILENAMES=%s", GALLIVM_PERF=nopt]
engine: {context: 512, sequences: 1, batch: 32, threads: 1, speculation: false}
models:
  must: {gpu_policy: require-gpu}
`, icd))
	for _, name := range []string{"may", "must"} {
		path := filepath.Join(dir, "models", name+".gguf")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := gguftest.TinyLlama(f, gguftest.Options{Width: 64, Layers: 2, Context: 512, Name: name, Seed: uint64(len(name))}); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir, icd
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// complete asks for tokens, of which none ends the text. The prompt is one token, so that it is computed by the programs that make those
// after it: the device takes seconds to make its programs.
func complete(t *testing.T, addr, model string, tokens int, stream bool) *http.Response {
	t.Helper()
	return post(t, addr+"/v1/completions", fmt.Sprintf(`{"model":%q,"prompt":"O","max_tokens":%d,"temperature":0,"logit_bias":{"0":-100},"stream":%v}`, model, tokens, stream))
}

// post sends JSON. There is no other limit than the test's.
func post(t *testing.T, url, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test is an ordinary client
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

type instances struct {
	Instances []struct {
		Model, Device, Fallback string
		PID                     int
	}
}

// card is a device as the server lists it.
type card struct {
	ID     string
	Ready  bool
	Memory struct{ Models struct{ Limit, Used int64 } }
}

// found are the devices.
func found(t *testing.T, c launch.Client) []card {
	t.Helper()
	var list struct{ Devices []card }
	if err := c.Into(t.Context(), http.MethodGet, "/api/v1/devices", "", &list); err != nil || len(list.Devices) == 0 {
		t.Fatal(list, err)
	}
	return list.Devices
}

// on asks a model for a token, and says where it was made, what was given up for it, and until when the model stays on its device at most: the
// fleet lets none go before four times the length of its load, but no less than a second and no more than 30.
func on(t *testing.T, addr, model string) (place, fallback string, stays time.Time) {
	t.Helper()
	began := time.Now()
	resp := post(t, addr+"/api/generate", fmt.Sprintf(`{"model":%q,"prompt":"O","raw":true,"stream":false,"options":{"num_predict":1,"temperature":0}}`, model))
	defer resp.Body.Close()
	var said struct {
		Load time.Duration `json:"load_duration"` // the request's wait for it, so no less than the load
	}
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(text, &said)
	}
	if err != nil || resp.StatusCode != http.StatusOK || said.Load <= 0 {
		t.Fatalf("%s: %d %s, %v", model, resp.StatusCode, text, err)
	}
	const way = time.Second // that the request may have taken to the server, and more
	return resp.Header.Get("X-Ashatai-Device"), resp.Header.Get("X-Ashatai-Fallback"), began.Add(way + said.Load + min(max(4*said.Load, time.Second), 30*time.Second))
}

// loaded names the models that are.
func loaded(t *testing.T, c launch.Client) string {
	t.Helper()
	var list instances
	if err := c.Into(t.Context(), http.MethodGet, "/api/v1/instances", "", &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range list.Instances {
		names = append(names, i.Model+" on "+i.Device)
	}
	return strings.Join(names, ", ")
}

// TestOneLeavesForAnother: on a device that may hold one of two models, the idle one leaves for the other; one that answers stays, and the
// newcomer runs on the processor and says so. How much each takes, an earlier server learned.
func TestOneLeavesForAnother(t *testing.T) {
	dir, _ := home(t)
	s := launch.Start(t, dir)
	var takes [2]int64
	for i, model := range []string{"may", "must"} {
		if place, fallback, _ := on(t, s.Addr, model); place != "vulkan0" || fallback != "" {
			t.Fatalf("%s is on %s: %s", model, place, fallback)
		}
		takes[i] = found(t, launch.Client{Addr: s.Addr})[0].Memory.Models.Used
	}
	s.Stop(t)
	first, second := takes[0], takes[1]-takes[0]
	if first <= 0 || second <= 0 {
		t.Fatalf("they take %d and %d bytes", first, second)
	}
	limit := max(first, second) + min(first, second)/2
	s = launch.Start(t, dir, fmt.Sprintf("gpu.memory_limits=vulkan0=%d", limit))
	c := launch.Client{Addr: s.Addr}
	found(t, c) // so that no load takes as long as looking for devices
	for _, model := range []string{"may", "must"} {
		place, fallback, stays := on(t, s.Addr, model)
		if now := loaded(t, c); place != "vulkan0" || fallback != "" || now != model+":f32 on vulkan0" {
			t.Fatalf("%s is on %s (%s); loaded are %s", model, place, fallback, now)
		}
		if m := found(t, c)[0].Memory.Models; m.Limit != limit || m.Used <= 0 || m.Used > limit {
			t.Errorf("%s takes %+v", model, m)
		}
		time.Sleep(time.Until(stays)) //nolint:forbidigo // nothing tells that it may go
	}
	stream := complete(t, s.Addr, "must", 400, true)
	defer stream.Body.Close()
	if lines := bufio.NewScanner(stream.Body); !lines.Scan() {
		t.Fatal("the stream brought nothing")
	}
	if place, fallback, _ := on(t, s.Addr, "may"); place != "cpu" || !strings.Contains(fallback, "the processor instead of a device") {
		t.Errorf("beside one that answers it is on %s: %s", place, fallback)
	}
	if now := loaded(t, c); now != "must:f32 on vulkan0, may:f32 on cpu" {
		t.Errorf("loaded are %s", now)
	}
	_, metrics, err := c.Ask(t.Context(), http.MethodGet, "/metrics", "")
	if err != nil || !strings.Contains(string(metrics), `ashatai_fallbacks_total{reason="device_memory"} 1`) {
		t.Errorf("the metric is missing: %v", err)
	}
	if _, place, err := c.Ask(t.Context(), http.MethodGet, "/api/v1/models/may/placement", ""); err != nil || !strings.Contains(string(place), `"fallback":"the processor instead of a device`) {
		t.Errorf("its placement does not say so: %s, %v", place, err)
	}
	_ = stream.Body.Close()
	s.Stop(t)
}

// TestTwoDevices: a model is shared by two devices, which are the same one shown twice.
func TestTwoDevices(t *testing.T) {
	dir, _ := home(t)
	file := filepath.Join(dir, "ashatai.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, strings.NewReplacer("GGML_VK_VISIBLE_DEVICES=0", `"GGML_VK_VISIBLE_DEVICES=0,0"`, "{gpu_policy: require-gpu}", "{gpu_policy: require-gpu, devices: [vulkan0, vulkan1]}").Replace(string(text)))
	s := launch.Start(t, dir)
	if place, fallback, _ := on(t, s.Addr, "must"); place != "vulkan0+vulkan1" || fallback != "" {
		t.Errorf("it is on %s: %s", place, fallback)
	}
	if d := found(t, launch.Client{Addr: s.Addr}); len(d) != 2 || d[0].Memory.Models.Used <= 0 || d[1].Memory.Models.Used <= 0 {
		t.Errorf("%+v", d)
	}
	s.Stop(t)
}

// TestDeviceIsLost: a model runs on the device; its process is killed in the middle of an answer, and the driver is gone when
// it is loaded again. The processor answers, and everything says why; a model that must be on a device is refused.
func TestDeviceIsLost(t *testing.T) {
	dir, icd := home(t)
	s := launch.Start(t, dir)
	c := launch.Client{Addr: s.Addr}
	resp := complete(t, s.Addr, "may", 2, false)
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Ashatai-Device") != "vulkan0" || resp.Header.Get("X-Ashatai-Fallback") != "" {
		t.Fatalf("%d %v\n%s", resp.StatusCode, resp.Header, text)
	}
	if d := found(t, c)[0]; d.ID != "vulkan0" || !d.Ready || d.Memory.Models.Limit != 1<<30 || d.Memory.Models.Used <= 0 {
		t.Errorf("%+v", d)
	}
	if ps := launch.Tell(t, "", "ps", "--server", s.Addr); !strings.Contains(ps, "vulkan0") {
		t.Error(ps)
	}
	var loaded instances
	if err := c.Into(t.Context(), http.MethodGet, "/api/v1/instances", "", &loaded); err != nil || len(loaded.Instances) != 1 {
		t.Fatal(loaded, err)
	}
	stream := complete(t, s.Addr, "may", 200, true)
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	if !lines.Scan() {
		t.Fatal("the stream brought nothing")
	}
	if err := os.Remove(icd); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(loaded.Instances[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	last := ""
	for lines.Scan() {
		if lines.Text() != "" {
			last = lines.Text()
		}
	}
	if !strings.Contains(last, "worker_died") {
		t.Errorf("the stream ended with %s", last)
	}
	again := complete(t, s.Addr, "may", 2, false)
	defer again.Body.Close()
	text, _ = io.ReadAll(again.Body)
	if again.StatusCode != http.StatusOK || again.Header.Get("X-Ashatai-Device") != "cpu" || !strings.Contains(again.Header.Get("X-Ashatai-Fallback"), "the processor instead of a device") {
		t.Fatalf("%d %v\n%s", again.StatusCode, again.Header, text)
	}
	refused := complete(t, s.Addr, "must", 2, false)
	defer refused.Body.Close()
	var e struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.NewDecoder(refused.Body).Decode(&e); err != nil || refused.StatusCode != http.StatusServiceUnavailable || !strings.Contains(e.Error.Message, "require-gpu") {
		t.Errorf("%d %+v %v", refused.StatusCode, e, err)
	}
	_, metrics, err := c.Ask(t.Context(), http.MethodGet, "/metrics", "")
	if err != nil || !strings.Contains(string(metrics), `ashatai_fallbacks_total{reason="device_missing"} 1`) {
		t.Errorf("the metric is missing: %v", err)
	}
	s.Stop(t)
}
