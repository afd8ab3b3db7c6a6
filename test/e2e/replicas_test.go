package e2e_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ashatai/internal/gguf/gguftest"
	"ashatai/test/launch"
)

// TestReplicas puts one server before two and kills one of them under load: what had not begun is answered by the other, what
// had ends with a typed error, and the placement says why the dead one is left alone.
func TestReplicas(t *testing.T) {
	bin := given(t, "ASHATAI_TEST_BIN")
	first, kill := launch.Doomed(t, "runtime.type=mock")
	second := site(t, "runtime.type=mock")
	home := t.TempDir()
	settings := "remotes:\n  a: {url: '" + first + "/v1', retries: -1}\n  b: {url: '" + second + "/v1', retries: -1}\n" +
		"models:\n  pair:\n    replicas: ['remote=a model=smollm2:135m', 'remote=b model=smollm2:135m']\n    balance: round-robin\n"
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := siteIn(t, bin, home)
	chat := func(text string, stream bool) (int, string) {
		return post(t, addr+"/v1/chat/completions", map[string]any{
			"model": "pair", "max_tokens": 20, "stream": stream, "messages": []map[string]string{{"role": "user", "content": text}},
		})
	}
	for range 2 { // both are loaded, and a's turn is next
		if status, body := chat("hello", false); status != http.StatusOK {
			t.Fatal(status, body)
		}
	}
	var wg sync.WaitGroup
	begun := make(chan string, 8)
	for range 8 {
		wg.Go(func() {
			_, body := chat("#mock token_delay=100ms\nhello", true)
			begun <- body
		})
	}
	// A stream that began at a has sent its first token when a has as many running as were dealt to it.
	for running, limit := "", time.Now().Add(time.Minute); !strings.Contains(running, `"active":4`); {
		if running = get(t, first+"/api/v1/instances"); time.Now().After(limit) {
			t.Fatalf("the first backend never had four streams: %s", running)
		}
	}
	kill()
	for range 8 {
		if status, body := chat("hello", false); status != http.StatusOK {
			t.Errorf("after the kill: %d %s", status, body)
		}
	}
	wg.Wait()
	close(begun)
	whole := 0
	for body := range begun {
		switch {
		case strings.Contains(body, "[DONE]") && !strings.Contains(body, `"error"`):
			whole++
		case !strings.Contains(body, `"worker_died"`):
			t.Errorf("a stream ended without a typed error: %s", body)
		}
	}
	if whole < 4 {
		t.Errorf("%d of 8 streams are whole; the four of the other server should be", whole)
	}
	if place := get(t, addr+"/api/v1/models/pair/placement"); !strings.Contains(place, `"breaker":"open"`) && !strings.Contains(place, `"breaker":"trial"`) {
		t.Errorf("the breaker of the dead server is closed: %s", place)
	}
}

// said is how one streamed answer went.
type said struct {
	device, runtime string // where it began
	text            string
	whole           bool
	fail            string // the code of the error that ended it
}

// story asks for an answer in pieces, which is the same whenever it is asked for. Began is told once where it began, with its first piece,
// or that it did not begin.
func story(t *testing.T, addr, model string, tokens int, began func(said)) said {
	t.Helper()
	var out said
	tell := sync.OnceFunc(func() { began(out) })
	defer tell()
	body := fmt.Sprintf(`{"model":%q,"max_tokens":%d,"temperature":0,"stream":true,"messages":[{"role":"user","content":"Write a long story about a ship."}]}`, model, tokens)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, addr+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return out
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test is an ordinary client
	if err != nil {
		t.Error(err)
		return out
	}
	defer res.Body.Close()
	out.device, out.runtime = res.Header.Get("X-Ashatai-Device"), res.Header.Get("X-Ashatai-Runtime")
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if data == "[DONE]" {
			out.whole = true
		}
		var piece struct {
			Choices []struct {
				Delta struct {
					Content string `json:"content"`
				} `json:"delta"`
			} `json:"choices"`
			Error struct {
				Code string `json:"code"`
			} `json:"error"`
		}
		if !ok || json.Unmarshal([]byte(data), &piece) != nil {
			continue
		}
		for _, c := range piece.Choices {
			out.text += c.Delta.Content
		}
		out.fail += piece.Error.Code
		if out.text != "" {
			tell()
		}
	}
	return out
}

// TestReplicasHereAndElsewhere has one name stand for a model on llama.cpp here and for the same one at another ASHATAI. Both give the same
// answer; a third place, whose tokenizer is another's, gives none. Each place is killed in the middle of its answers: what had begun there ends
// with a typed error, and what had not is answered, in the same words, by the other.
func TestReplicasHereAndElsewhere(t *testing.T) {
	bin := given(t, "ASHATAI_TEST_BIN")
	given(t, "ASHATAI_TEST_MODEL")
	const small = "engine: {context: 512, sequences: 1, threads: 1}\n"
	box, kill := launch.Doomed(t, "engine.context=512", "engine.sequences=1", "engine.threads=1")
	home := t.TempDir()
	settings := small + "remotes:\n  box: {url: '" + box + "/v1', retries: -1}\n" +
		"models:\n  both:\n    replicas: ['model=smollm2:135m', 'remote=box model=smollm2:135m', 'model=other']\n    balance: round-robin\n"
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(home, "models", "other.gguf")
	if err := os.Mkdir(filepath.Dir(other), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(other)
	if err == nil {
		err = errors.Join(gguftest.TinyLlama(f, gguftest.Options{Name: "other"}), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	addr := siteIn(t, bin, home)
	const here, there = "cpu", "remote:box"
	if place := get(t, addr+"/api/v1/models/both/placement"); !strings.Contains(place, `"device":"`+there+`"`) {
		t.Errorf("before anything is loaded: %s", place)
	}
	one := func(began func(said)) said { return story(t, addr, "both", 40, began) }
	want := one(func(said) {})
	if second := one(func(said) {}); want.device != here || second.device != there || !want.whole || want.text == "" || second.text != want.text {
		t.Fatalf("%+v\n%+v", want, second)
	}
	// The turn of the third place: it is loaded, compared, and left alone.
	if third := one(func(said) {}); third.text != want.text {
		t.Errorf("%+v", third)
	}
	if place := get(t, addr+"/api/v1/models/both/placement"); !strings.Contains(place, "its tokenizer is not that of ") || strings.Count(place, `"loaded":true`) != 2 {
		t.Errorf("%s", place)
	}
	// Four at once: one is being answered at each place, and one waits there.
	lose := func(device string, end func()) {
		begun, ends := make(chan string, 4), make(chan said, 4)
		for range 4 {
			go func() { ends <- one(func(s said) { begun <- s.device }) }()
		}
		left := 4
		for left > 0 && <-begun != device {
			left--
		}
		if left == 0 {
			t.Errorf("no answer began at %s", device)
		}
		end()
		lost := 0
		for range 4 {
			got := <-ends
			switch {
			case got.whole && got.fail == "" && got.text == want.text:
			case got.device == device && got.fail == "worker_died" && strings.HasPrefix(want.text, got.text):
				lost++
			default:
				t.Errorf("%s was killed: %+v", device, got)
			}
		}
		if lost != 1 {
			t.Errorf("%s was killed: %d answers had begun there", device, lost)
		}
	}
	lose(here, func() {
		killAll(t, workersOf(t, addr, "llamacpp"))
	})
	lose(there, kill)
	if last := one(func(said) {}); last.device != here || last.text != want.text {
		t.Errorf("%+v", last)
	}
}

// workersOf are the worker processes of a runtime, by their numbers.
func workersOf(t *testing.T, addr, runtime string) []int {
	t.Helper()
	var list instances
	if err := (launch.Client{Addr: addr}).Into(t.Context(), http.MethodGet, "/api/v1/instances", "", &list); err != nil {
		t.Error(err)
	}
	var pids []int
	for _, i := range list.Instances {
		if i.Runtime == runtime {
			pids = append(pids, i.PID)
		}
	}
	return pids
}

func killAll(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
}

type instances struct {
	Instances []struct {
		Runtime string
		PID     int
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
