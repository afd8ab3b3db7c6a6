package fetch

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"

	"ashatai/internal/core"
)

// flipToxic changes one byte of what passes, once for all connections.
type flipToxic struct{}

// flips is how many bytes are still to be changed. Toxics are copied through JSON, so that state cannot be in them.
var flips atomic.Int64

func (*flipToxic) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				stub.Close()
				return
			}
			const head = 2000 // past any answer's head
			if len(c.Data) > head && flips.Add(-1) >= 0 {
				c.Data[head] ^= 0x40
			}
			stub.Output <- c
		}
	}
}

// behind puts a proxy with a toxic between a job and its server. reset takes the toxic away.
func behind(t *testing.T, s *host, j *Job, toxic string) (reset func()) {
	t.Helper()
	server := quiet(toxiproxy.NewServer, toxiproxy.NewMetricsContainer(nil))
	proxy := toxiproxy.NewProxy(server, "line", "127.0.0.1:0", strings.TrimPrefix(s.URL, "http://"))
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Fatal(err)
	}
	j.URL = "http://" + proxy.Listen + "/x.gguf"
	return func() { proxy.Toxics.ResetToxics(t.Context()) }
}

// quiet calls the constructor with the zero logger, which writes nothing.
func quiet[M, L, S any](make func(M, L) S, m M) S {
	var l L
	return make(m, l)
}

// TestCutLine: every connection breaks after 30,000 bytes; each goes on where it broke.
func TestCutLine(t *testing.T) {
	s := newHost(t, weights(600_000))
	j := job(t, s)
	behind(t, s, &j, `{"type":"limit_data","stream":"downstream","attributes":{"bytes":30000}}`)
	run(t, j)
	wantFile(t, j, s.data)
	if n, _ := s.counts(); n < 20 {
		t.Errorf("%d requests: the line was not cut", n)
	}
}

func TestSlowLine(t *testing.T) {
	s := newHost(t, weights(100_000))
	j := job(t, s)
	behind(t, s, &j, `{"type":"latency","stream":"downstream","attributes":{"latency":30,"jitter":10}}`)
	run(t, j)
	wantFile(t, j, s.data)
}

// TestSilentLine: a line that is open and brings nothing counts as cut, and the download goes on when it is better.
func TestSilentLine(t *testing.T) {
	s := newHost(t, weights(100_000))
	j := job(t, s)
	j.Limits.Stall = 100 * time.Millisecond
	reset := behind(t, s, &j, `{"type":"timeout","stream":"downstream","attributes":{"timeout":0}}`)
	wantCode(t, Run(t.Context(), j), core.CodeUnavailable, "sent nothing for 100ms")
	reset()
	run(t, j)
	wantFile(t, j, s.data)
}

// TestCorruptLine: one byte changes on the way. It is found by comparing, and the rest of the file is not written again.
func TestCorruptLine(t *testing.T) {
	toxics.Register("flip", new(flipToxic))
	s := newHost(t, weights(400_000))
	j := job(t, s)
	flips.Store(1)
	behind(t, s, &j, `{"type":"flip","stream":"downstream","attributes":{}}`)
	run(t, j)
	wantFile(t, j, s.data)
	if flips.Load() >= 1 {
		t.Error("nothing was corrupted")
	}
	if _, sent := s.counts(); sent < 400_000 || sent > 900_000 {
		t.Errorf("%d bytes were sent", sent)
	}
}
