package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loop is a channel that reads what was written to it.
type loop struct{ bytes.Buffer }

func (*loop) Close() error { return nil }

func sent(t *testing.T, send func(c *Conn) error) Frame {
	t.Helper()
	c := NewConn(&loop{})
	if err := send(c); err != nil {
		t.Fatal(err)
	}
	f, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("after the frame: %v", err)
	}
	return f
}

func TestFrameBytesAreThoseOfTheDocument(t *testing.T) {
	var l loop
	if err := NewConn(&l).Send(KindProgress, 0x01020304, Progress{Fraction: 0.5}, []byte("tail")); err != nil {
		t.Fatal(err)
	}
	want := "\x1d\x00\x00\x00" + "\x07" + "\x04\x03\x02\x01" + "\x10\x00\x00\x00" + `{"fraction":0.5}` + "tail"
	if got := l.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPlainTextHasNoHeader(t *testing.T) {
	f := sent(t, func(c *Conn) error { return c.SendEvent(3, &core.Event{Text: "héllo", Count: 1}) })
	if f.Kind != KindEvent || f.Call != 3 || len(f.Header) != 0 || string(f.Tail) != "héllo" {
		t.Errorf("frame %+v", f)
	}
}

func TestEventsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := func(top []core.Token) core.Token {
			return core.Token{
				ID: rapid.IntRange(0, 1<<20).Draw(t, "id"), Bytes: rapid.SliceOfN(rapid.Byte(), 1, 5).Draw(t, "bytes"),
				Logprob: rapid.Float64Range(-100, 0).Draw(t, "logprob"), Top: top,
			}
		}
		ev := core.Event{
			Count: rapid.IntRange(0, 3).Draw(t, "count"), Choice: rapid.IntRange(0, core.MaxChoices-1).Draw(t, "choice"), Text: rapid.String().Draw(t, "text"), StopString: rapid.String().Draw(t, "stop"),
			Finish: rapid.SampledFrom([]core.FinishReason{"", core.FinishStop, core.FinishLength}).Draw(t, "finish"),
		}
		ev.Text, ev.StopString = strings.ToValidUTF8(ev.Text, ""), strings.ToValidUTF8(ev.StopString, "")
		for range rapid.IntRange(0, 3).Draw(t, "tokens") {
			ev.Tokens = append(ev.Tokens, token([]core.Token{token(nil)}))
		}
		if rapid.Bool().Draw(t, "usage") {
			ev.Start = &core.Usage{Prompt: 7, Kept: 5}
			ev.Usage = &core.Usage{Prompt: 1, Cached: 2, Kept: 1, Completion: 3, Queued: 4, Prefill: 5, Decode: 6}
		}
		c := NewConn(&loop{})
		if err := c.SendEvent(1, &ev); err != nil {
			t.Fatal(err)
		}
		f, err := c.Read()
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Event()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ev, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestInfinityBecomesANumber(t *testing.T) {
	f := sent(t, func(c *Conn) error {
		return c.SendEvent(1, &core.Event{Tokens: []core.Token{{ID: 1, Logprob: math.Inf(-1)}}})
	})
	ev, err := f.Event()
	if err != nil || ev.Tokens[0].Logprob != -math.MaxFloat64 {
		t.Errorf("got %+v, %v", ev, err)
	}
	if err := NewConn(&loop{}).SendEvent(1, &core.Event{Tokens: []core.Token{{Logprob: math.NaN()}}}); err == nil {
		t.Error("NaN was sent")
	}
	if err := NewConn(&loop{}).Send(KindProgress, 1, Progress{Fraction: math.NaN()}, nil); err == nil {
		t.Error("NaN was sent in a header")
	}
}

func TestWrongEventsAreErrors(t *testing.T) {
	for _, f := range []Frame{
		{Tail: []byte("\xff")},
		{Header: []byte(`{"finish":"why"}`)},
		{Header: []byte(`{"choice":-1}`)},
		{Header: []byte(`{"choice":999}`)},
		{Header: []byte(`{"unknown":1}`)},
		{Header: []byte(`{} {}`)},
		{Header: []byte(`[]`)},
	} {
		f.Kind = KindEvent
		if ev, err := f.Event(); err == nil {
			t.Errorf("%q %q became %+v", f.Header, f.Tail, ev)
		}
	}
}

func TestBrokenFrames(t *testing.T) {
	frame := func(length uint32, kind Kind, header uint32, rest string) string {
		b := binary.LittleEndian.AppendUint32(nil, length)
		b = append(b, byte(kind))
		b = binary.LittleEndian.AppendUint32(b, 1)
		return string(binary.LittleEndian.AppendUint32(b, header)) + rest
	}
	for name, in := range map[string]string{
		"too short": frame(8, KindHello, 0, ""), "too long": frame(MaxFrame+1, KindHello, 0, ""), "no kind": frame(9, 0, 0, ""),
		"unknown kind": frame(9, kindEnd, 0, ""), "header too long": frame(10, KindHello, 2, "x"), "header overflows": frame(10, KindHello, math.MaxUint32, "x"),
	} {
		l := &loop{}
		l.WriteString(in)
		_, err := NewConn(l).Read()
		if _, ok := errors.AsType[*BrokenError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := frame(12, KindHello, 1, "abc")
	for n := 1; n < len(whole); n++ {
		l := &loop{}
		l.WriteString(whole[:n])
		if _, err := NewConn(l).Read(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

func TestALengthAloneTakesNoMemory(t *testing.T) {
	l := &loop{}
	l.Write(binary.LittleEndian.AppendUint32(nil, MaxFrame))
	l.WriteString("\x01\x00\x00\x00\x00\x00\x00\x00\x00few bytes")
	c := NewConn(l)
	if _, err := c.Read(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if n := cap(c.in.buf); n > 1<<20 {
		t.Errorf("the buffer has %d bytes", n)
	}
}

func TestTooLargeAFrameIsRefusedAndLeavesTheRestAlone(t *testing.T) {
	c := NewConn(&loop{})
	if err := c.Send(KindBytes, 1, nil, make([]byte, MaxFrame)); err == nil {
		t.Error("it was sent")
	}
	big := make([]byte, 3<<20)
	big[len(big)-1] = 7
	if err := c.Send(KindBytes, 2, nil, big); err != nil {
		t.Fatal(err)
	}
	if err := c.Send(KindBytes, 3, nil, []byte("x")); err != nil {
		t.Fatal(err)
	}
	f, err := c.Read()
	if err != nil || f.Call != 2 || !bytes.Equal(f.Tail, big) {
		t.Errorf("call %d, %d bytes, %v", f.Call, len(f.Tail), err)
	}
	f, err = c.Read()
	if err != nil || f.Call != 3 || string(f.Tail) != "x" {
		t.Errorf("frame %+v, %v", f, err)
	}
}

func TestManySendersOneOrderPerCall(t *testing.T) {
	a, b := net.Pipe()
	in, out := NewConn(a), NewConn(b)
	const senders, each = 8, 300
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if err := in.SendEvent(uint32(s+1), &core.Event{Text: strconv.Itoa(i), Count: 1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := map[uint32]int{}
	for range senders * each {
		f, err := out.Read()
		if err != nil {
			t.Fatal(err)
		}
		if want := strconv.Itoa(next[f.Call]); string(f.Tail) != want {
			t.Fatalf("call %d: %q, want %s", f.Call, f.Tail, want)
		}
		next[f.Call]++
	}
	wg.Wait()
	if err := in.Flush(); err != nil {
		t.Error(err)
	}
	_, _ = in.Close(), out.Close()
	if err := in.Send(KindHeartbeat, 0, nil, nil); err == nil {
		t.Error("a closed channel takes frames")
	}
	if err := in.Flush(); err == nil {
		t.Error("a closed channel can be flushed")
	}
}

func TestSendersWaitForASlowReaderAndEndWithTheChannel(t *testing.T) {
	a, b := net.Pipe()
	c := NewConn(a)
	const senders = 200
	results := make(chan error, senders)
	for range senders {
		go func() { results <- c.Send(KindBytes, 1, nil, make([]byte, 100<<10)) }()
	}
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	// Those whose frames fit into what may wait are back; the writer and the rest are not.
	done := 0
	for done < 64 {
		select {
		case err := <-results:
			if err != nil {
				t.Error(err)
			}
			done++
		case <-timer.C:
			t.Fatalf("only %d senders returned", done)
		}
	}
	_ = c.Close()
	failed := 0
	for ; done < senders; done++ {
		if err := <-results; err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Error("nobody waited")
	}
	_ = b.Close()
}

func TestArraysRoundTrip(t *testing.T) {
	v := [][]float32{{1, -2.5, float32(math.Inf(1))}, {0, 3e-40, 7}}
	got, err := Floats(AppendFloats(AppendFloats(nil, v[0]), v[1]), 2, 3)
	if diff := cmp.Diff(v, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if got, err := Floats(nil, 0, 5); err != nil || len(got) != 0 {
		t.Errorf("no vectors: %v, %v", got, err)
	}
	for _, c := range [][3]int{{4, 2, 1}, {4, -1, -1}, {0, 1, 0}, {0, 1 << 31, 1 << 31}, {5, 1, 1}} {
		if got, err := Floats(make([]byte, c[0]), c[1], c[2]); err == nil {
			t.Errorf("%v became %v", c, got)
		}
	}
	ids := []int{0, 1, -1, math.MaxInt32, math.MinInt32}
	back, err := Tokens(AppendTokens(nil, ids))
	if diff := cmp.Diff(ids, back); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	// What does not fit stays out of range instead of becoming another token.
	if back, _ := Tokens(AppendTokens(nil, []int{1 << 40, -1 << 40})); !slices.Equal(back, []int{math.MaxInt32, math.MinInt32}) {
		t.Errorf("got %v", back)
	}
	if _, err := Tokens(make([]byte, 3)); err == nil {
		t.Error("three bytes are tokens")
	}
}

func TestErrorsCross(t *testing.T) {
	in := &core.Error{Code: core.CodeQueueFull, Message: "Full.", Param: "n", RetryAfter: 1500 * time.Millisecond, Overflow: &core.Overflow{Prompt: 9, Context: 8, Answer: 1}, Cause: errors.New("secret")}
	f := sent(t, func(c *Conn) error { return c.Send(KindError, 1, ErrorOf(in), nil) })
	if bytes.Contains(f.Header, []byte("secret")) {
		t.Errorf("the private cause crosses: %s", f.Header)
	}
	var e Error
	if err := f.Decode(&e); err != nil {
		t.Fatal(err)
	}
	out := e.Core()
	if out.Code != in.Code || out.Message != in.Message || out.Param != in.Param || out.RetryAfter != in.RetryAfter || *out.Overflow != *in.Overflow || out.Cause != nil {
		t.Errorf("got %+v", out)
	}
}

func TestMessagesRoundTrip(t *testing.T) {
	in := Generate{TimeoutMS: 5, Request: engine.GenerateRequest{
		ID: "r", Tenant: "t", Prompt: engine.Prompt{Segments: []engine.Segment{{Text: "a", Trusted: true}}, AddSpecial: true},
		Sampling: engine.Sampling{Temperature: 1, LogitBias: map[int]float64{3: -100}, Seed: math.MinInt64}, Choices: 2, Stop: []string{"\x00"}, Constraint: engine.Constraint{Kind: core.FormatGBNF, Source: "root"},
	}}
	f := sent(t, func(c *Conn) error { return c.Send(KindGenerate, 1, in, nil) })
	var out Generate
	if err := f.Decode(&out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Error(diff)
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for k := Kind(1); k < kindEnd; k++ {
		if s := k.String(); s == "" || seen[s] {
			t.Errorf("kind %d is called %q", k, s)
		} else {
			seen[s] = true
		}
	}
	if Kind(0).String() != "kind 0" || kindEnd.String() != fmt.Sprintf("kind %d", kindEnd) {
		t.Error("unknown kinds have names")
	}
}

func TestLaunchRoundTrip(t *testing.T) {
	in := Launch{Runtime: "mock", Heartbeat: 1500 * time.Millisecond, MemoryBytes: 1 << 40, OpenFiles: 64, ReadPaths: []string{"/a b", "/c=d"}, WritePaths: []string{"/e"}, Devices: []string{"/dev/x"}}
	out, err := ParseLaunch(in.Args())
	if diff := cmp.Diff(in, out); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for _, args := range [][]string{
		{}, {"--runtime=x", "more"}, {"--unknown"}, {"--runtime=x", "--heartbeat=1ns"}, {"--runtime=x", "--heartbeat=2h"}, {"--runtime=x", "--memory=-1"}, {"--help"},
	} {
		if l, err := ParseLaunch(args); err == nil {
			t.Errorf("%q became %+v", args, l)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, send := range []func(c *Conn) error{
		func(c *Conn) error { return c.Send(KindHello, 0, Hello{Protocol: 1}, nil) },
		func(c *Conn) error { return c.SendEvent(1, &core.Event{Text: "x", Finish: core.FinishStop}) },
		func(c *Conn) error { return c.Send(KindVectors, 2, Vectors{Count: 1, Dimensions: 2}, make([]byte, 8)) },
		func(c *Conn) error { return c.Send(KindTokens, 2, nil, make([]byte, 8)) },
	} {
		var l loop
		if err := send(NewConn(&l)); err != nil {
			f.Fatal(err)
		}
		f.Add(l.Bytes())
	}
	f.Add([]byte("\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &loop{}
		l.Write(data)
		c := NewConn(l)
		for {
			fr, err := c.Read()
			if err != nil {
				return
			}
			if len(fr.Header)+len(fr.Tail) > len(data) {
				t.Fatalf("%d bytes came out of %d", len(fr.Header)+len(fr.Tail), len(data))
			}
			readAny(&fr)
		}
	})
}

// readAny reads a frame as every kind that has a parser.
func readAny(f *Frame) {
	_, _ = f.Event()
	_, _ = Tokens(f.Tail)
	var v Vectors
	if f.Decode(&v) == nil {
		_, _ = Floats(f.Tail, v.Count, v.Dimensions)
	}
	_ = f.Decode(&Hello{})
	_ = f.Decode(&Generate{})
}

// BenchmarkStream is the cost of one streamed token over a real socket pair, both sides together.
func BenchmarkStream(b *testing.B) {
	in, out := pair(b)
	ev := core.Event{Text: " token", Count: 1}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			f, err := out.Read()
			if err != nil {
				return
			}
			if _, err := f.Event(); err != nil {
				return
			}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		if err := in.SendEvent(1, &ev); err != nil {
			b.Fatal(err)
		}
	}
	_ = in.Close()
	<-done
	_ = out.Close()
}

func TestAllocationsPerToken(t *testing.T) {
	l := &loop{}
	c := NewConn(l)
	ev := core.Event{Text: " token", Count: 1}
	got := testing.AllocsPerRun(1000, func() {
		if err := c.SendEvent(1, &ev); err != nil {
			t.Fatal(err)
		}
		f, err := c.Read()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Event(); err != nil {
			t.Fatal(err)
		}
	})
	if got > 2 {
		t.Errorf("%v allocations per token; the text alone is one", got)
	}
}
