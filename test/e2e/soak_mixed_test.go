//go:build linux

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// mixed is one run of mixed load on a server.
type mixed struct {
	t       *testing.T
	addr    string
	pid     int
	embeds  bool
	calm    time.Time // no worker is killed from then on
	number  atomic.Int64
	cancel  context.CancelFunc // ends the load early, when enough went wrong
	mu      sync.Mutex
	kills   []time.Time
	counts  map[string]int
	wrongs  int
	longest time.Duration
}

// TestSoakMixed sends chats, streams, cancels, long prompts, raw prompts and wrong requests at once, and kills the worker
// now and then during the first part. Every request ends with an answer or an error that says what happened; at the end
// nothing has grown.
func TestSoakMixed(t *testing.T) {
	whole := soaking(t)
	if whole == 0 {
		whole = 36 * time.Second
	}
	addr, pid := siteProcess(t, "engine.cache_memory=32MiB") // soon full
	if status, body, err := say(t.Context(), addr, nil); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", status, err, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), whole)
	defer cancel()
	m := &mixed{t: t, addr: addr, pid: pid, cancel: cancel, counts: map[string]int{}}
	m.embeds = m.serves(ctx, "/v1/embeddings", map[string]any{"model": "smollm2:135m", "input": "a text"})
	idle := atRest(t, addr, pid, func(sample) bool { return false })

	began := time.Now()
	m.calm = began.Add(whole * 9 / 20)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 7))
			for ctx.Err() == nil {
				m.any(ctx, rng)
			}
		})
	}
	// Kills during the first two fifths; then the caches fill again; the second half is watched.
	// Each kill took the worker for embeddings too, and few requests want it: it is asked for before anything is watched.
	settled := make(chan struct{})
	wg.Go(func() {
		defer close(settled)
		m.killing(ctx, min(whole/8, 15*time.Second), began.Add(whole*2/5))
		if m.embeds && ctx.Err() == nil {
			_ = m.embedding(ctx) // judged where it is one of the load
		}
	})
	var all []sample
	wg.Go(func() {
		<-settled
		tick := time.NewTicker(max(whole/100, 300*time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if time.Since(began) > whole/2 {
					// The sample outlives the load by a request, so that its last one is whole.
					all = append(all, look(context.WithoutCancel(ctx), t, addr, pid))
				}
			}
		}
	})
	wg.Wait()
	t.Logf("%v, %d kills, longest request %v, requests: %v", time.Since(began).Round(time.Second), len(m.kills), m.longest.Round(time.Millisecond), m.counts)
	for _, kind := range []string{"chat", "stream", "cancelled", "long", "raw", "wrong"} {
		if m.counts[kind] == 0 {
			t.Errorf("no request of the kind %q came to its end", kind)
		}
	}
	if len(m.kills) == 0 {
		t.Error("no worker was killed")
	}
	checkGrowth(t, all)
	over := func(s sample) bool {
		return s.files > idle.files+4 || s.goroutines > idle.goroutines+4 || s.processes > idle.processes
	}
	if end := atRest(t, addr, pid, over); over(end) {
		t.Errorf("at rest before the load: %+v, and after it: %+v", idle, end)
	}
	if status, body, err := say(t.Context(), addr, nil); err != nil || status != http.StatusOK {
		t.Errorf("the request after the load: status %d, %v: %s", status, err, body)
	}
}

// The prompts come from small sets, so that caches are full of them long before anything is measured. While workers are
// killed each has a number at its end: a prompt in whose company two workers died is refused for a while.
func (m *mixed) numbered(prompt string) string {
	if time.Now().After(m.calm) {
		return prompt
	}
	return fmt.Sprintf("%s This is request %d.", prompt, m.number.Add(1))
}

func (m *mixed) chat(rng *rand.Rand) map[string]any {
	topics := strings.Fields("rivers harbours clocks bridges lamps barrels gardens winters roads letters ships towers")
	return map[string]any{
		"model": "smollm2:135m", "max_tokens": 4 + rng.IntN(40), "seed": rng.IntN(4), "temperature": float64(rng.IntN(2)),
		"messages": []map[string]string{{"role": "user", "content": m.numbered("Tell me something about " + topics[rng.IntN(len(topics))] + ".")}},
	}
}

func (m *mixed) long(rng *rand.Rand) map[string]any {
	subject := []string{"harbour", "railway", "garden"}[rng.IntN(3)]
	return map[string]any{
		"model": "smollm2:135m", "max_tokens": 8, "temperature": 0, "stream": rng.IntN(2) == 0,
		"messages": []map[string]string{{"role": "user", "content": m.numbered(strings.Repeat("The "+subject+" was quiet and the lamps were lit. ", 60) + "What was quiet?")}},
	}
}

// any sends one request of a kind drawn at random, and judges its end.
func (m *mixed) any(ctx context.Context, rng *rand.Rand) {
	began := time.Now()
	const chat = "/v1/chat/completions"
	switch k := rng.IntN(20); {
	case k < 4:
		m.judge(ctx, "chat", began, m.whole(ctx, chat, m.chat(rng)))
	case k < 8:
		q := m.chat(rng)
		q["stream"] = true
		m.judge(ctx, "stream", began, m.whole(ctx, chat, q))
	case k < 10:
		q := m.chat(rng)
		q["stream"], q["max_tokens"], q["ignore_eos"] = true, 400, true
		m.judge(ctx, "cancelled", began, m.dropped(ctx, chat, q, 1+rng.IntN(30), 0))
	case k < 12:
		// Gone while the prompt is computed, or while the request waits.
		q := m.long(rng)
		q["stream"] = true
		m.judge(ctx, "cancelled", began, m.dropped(ctx, chat, q, 0, time.Duration(5+rng.IntN(200))*time.Millisecond))
	case k < 15:
		m.judge(ctx, "long", began, m.whole(ctx, chat, m.long(rng)))
	case k < 17:
		m.judge(ctx, "raw", began, m.whole(ctx, "/v1/completions", map[string]any{
			"model": "smollm2:135m", "max_tokens": 12, "temperature": 0, "prompt": m.numbered("The boats come home when the wind turns."),
		}))
	case k < 19:
		m.judge(ctx, "wrong", began, m.refused(ctx, chat, rng))
	case m.embeds:
		m.judge(ctx, "embedding", began, m.embedding(ctx))
	}
}

// errTyped is an answer that is an error with a type and a sentence.
var errTyped = errors.New("a typed error")

// judge counts an end, and fails the test for one that should not be: a typed error is one, unless a worker was killed.
func (m *mixed) judge(ctx context.Context, kind string, began time.Time, err error) {
	if ctx.Err() != nil {
		return // the load is over, and took this request with it
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.longest = max(m.longest, time.Since(began))
	if err == nil {
		m.counts[kind]++
		return
	}
	if errors.Is(err, errTyped) {
		for _, k := range m.kills {
			if k.After(began.Add(-5*time.Second)) && k.Before(time.Now()) {
				m.counts["broken by a kill"]++
				return
			}
		}
	}
	m.t.Errorf("%s, %v after its start: %v", kind, time.Since(began).Round(time.Millisecond), err)
	if m.wrongs++; m.wrongs > 5 {
		m.cancel()
	}
}

func (m *mixed) send(ctx context.Context, path string, q map[string]any) (*http.Response, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.addr+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return client.Do(req)
}

// whole sends a request that wants its whole answer.
func (m *mixed) whole(ctx context.Context, path string, q map[string]any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	res, err := m.send(ctx, path, q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return typed(res.StatusCode, b)
	}
	if q["stream"] == true {
		return endOfStream(string(b))
	}
	return endOfAnswer(b)
}

// typed says whether a refusal is one that a program can act on and a person can read.
func typed(status int, body []byte) error {
	var v struct {
		Error struct {
			Message string `json:"message"`
			Type    string `json:"type"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &v); err != nil || status < 400 || !strings.HasSuffix(v.Error.Message, ".") || v.Error.Type == "" {
		return fmt.Errorf("status %d with something that is no typed error: %s", status, body)
	}
	return fmt.Errorf("%w: status %d, %s", errTyped, status, v.Error.Message)
}

func endOfAnswer(body []byte) error {
	var v struct {
		Choices []struct {
			FinishReason string `json:"finish_reason"`
		} `json:"choices"`
		Usage struct {
			Completion int `json:"completion_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return fmt.Errorf("%w: %s", err, body)
	}
	if len(v.Choices) != 1 || v.Usage.Completion < 1 || v.Choices[0].FinishReason != "stop" && v.Choices[0].FinishReason != "length" {
		return fmt.Errorf("this is no whole answer: %s", body)
	}
	return nil
}

// endOfStream wants a finish reason and [DONE], or else an error event at the end and no [DONE].
func endOfStream(body string) error {
	body = strings.TrimSpace(body)
	last := body[strings.LastIndex(body, "data: ")+len("data: "):]
	switch done := strings.HasSuffix(body, "data: [DONE]"); {
	case done && strings.Contains(body, `"finish_reason":"`) && !strings.Contains(body, `"error"`):
		return nil
	case !done && strings.Contains(last, `"error"`):
		return typed(http.StatusInternalServerError, []byte(last))
	}
	return fmt.Errorf("this stream has no proper end: …%s", body[max(0, len(body)-400):])
}

// dropped goes away after some events of the stream, or after some time.
func (m *mixed) dropped(ctx context.Context, path string, q map[string]any, events int, after time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if after > 0 {
		defer time.AfterFunc(after, cancel).Stop()
	}
	res, err := m.send(ctx, path, q)
	if err != nil {
		if after > 0 && errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		return typed(res.StatusCode, b)
	}
	rd := bufio.NewReader(res.Body)
	var sb strings.Builder
	for seen := 0; events == 0 || seen < events; {
		line, err := rd.ReadString('\n')
		sb.WriteString(line)
		switch {
		case after > 0 && errors.Is(err, context.Canceled):
			return nil
		case errors.Is(err, io.EOF):
			return endOfStream(sb.String())
		case err != nil:
			return err
		case strings.HasPrefix(line, "data: "):
			seen++
		}
	}
	return nil
}

// refused sends what must be refused, and wants exactly that.
func (m *mixed) refused(ctx context.Context, path string, rng *rand.Rand) error {
	q := m.chat(rng)
	want := http.StatusBadRequest
	switch rng.IntN(4) {
	case 0:
		q["temperature"] = -1
	case 1:
		q["mesages"] = 1
	case 2:
		q["messages"] = []map[string]string{{"role": "user", "content": strings.Repeat("word ", 9000)}}
	case 3:
		q["model"], want = "nobody", http.StatusNotFound
	}
	err := m.whole(ctx, path, q)
	if errors.Is(err, errTyped) && strings.Contains(err.Error(), fmt.Sprintf("status %d", want)) {
		return nil
	}
	if err == nil {
		return fmt.Errorf("a wrong request was answered: %v", q["model"])
	}
	return err
}

func (m *mixed) embedding(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	res, err := m.send(ctx, "/v1/embeddings", map[string]any{"model": "smollm2:135m", "input": m.numbered("The boats come home.")})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return typed(res.StatusCode, b)
	}
	var v struct {
		Data []struct {
			Embedding []float64 `json:"embedding"`
		} `json:"data"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("%w: %.200s", err, b)
	}
	if len(v.Data) != 1 || len(v.Data[0].Embedding) == 0 {
		return fmt.Errorf("this is no embedding: %.200s", b)
	}
	return nil
}

func (m *mixed) serves(ctx context.Context, path string, q map[string]any) bool {
	res, err := m.send(ctx, path, q)
	if err != nil {
		m.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // only the status matters
	return res.StatusCode == http.StatusOK
}

// killing ends the worker every now and then, as the system would that runs out of memory.
func (m *mixed) killing(ctx context.Context, every time.Duration, until time.Time) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if now.After(until) {
				return
			}
		}
		workers := below(m.t, m.pid)
		m.mu.Lock()
		if len(workers) > 0 {
			m.kills = append(m.kills, time.Now())
		}
		m.mu.Unlock()
		for _, w := range workers {
			if err := syscall.Kill(w, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				m.t.Errorf("killing the worker: %v", err)
			}
		}
	}
}
