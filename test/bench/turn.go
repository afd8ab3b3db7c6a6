package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"ashatai/test/bench/load"
)

// The names of figures that are no piece of work's.
const (
	startSeconds   = "start_s"
	againSeconds   = "start_again_s"
	frontCPU       = "front_us_per_token_" // and the number of streams
	frontMemory    = "front_memory_mb"
	engineAtStart  = "engine_memory_at_start_mb"
	engineAtTheEnd = "engine_memory_at_end_mb"
	modelChanges   = "model_changes"
)

// turn is one server's measurement.
type turn struct {
	Contestant string             `json:"contestant"`
	Round      int                `json:"round"`
	Load       string             `json:"load_average"` // before it
	Work       []load.Summary     `json:"work"`
	Figures    map[string]float64 `json:"figures"`
}

// pieces are the pieces of work in the order in which they run.
func pieces() []string {
	return []string{"decode", "prefix", "agents", "stall", "cancel", "busy", "edit", "schemas", "restart", "fairness", "switch"}
}

// named are the pieces that are done only where they are named: they take minutes, or leave a server as others are not to find it.
func named(piece string) bool { return piece == "fairness" || piece == "switch" }

// measure starts one server, drives it, and ends it.
func measure(ctx context.Context, o options, c contestant, optimized string) (t turn, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return turn{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a leftover in the temporary folder is no reason to lose the figures
	s, err := newServer(ctx, c, dir, o.name)
	if err != nil {
		return turn{}, err
	}
	if c.name == bestName {
		if err := give(optimized, s.home); err != nil {
			return turn{}, err
		}
	}
	if c.name == oursName && o.wants("switch") {
		if err := offer(o.model, s.home); err != nil {
			return turn{}, err
		}
	}
	t = turn{Contestant: c.name, Load: loadAverage(), Figures: map[string]float64{}}
	if err := s.start(ctx); err != nil {
		return turn{}, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	t.Figures[startSeconds] = s.ready.Seconds()
	t.memory(s, engineAtStart)
	w, err := load.Open(ctx, load.Options{
		URL: s.url(), Model: s.model, Completions: o.completions, Repeats: o.repeats, Window: o.window,
		Timeout: 2 * time.Minute, Seed: uint64(time.Now().UnixNano()),
	})
	if err != nil {
		return turn{}, fmt.Errorf("%w; the server's log ends with: %s", err, tail(s.log))
	}
	defer w.Close()
	for _, piece := range pieces() {
		if !o.wants(piece) || c.only != nil && !slices.Contains(c.only, piece) {
			continue
		}
		if err := t.piece(ctx, s, w, piece); err != nil {
			return turn{}, fmt.Errorf("%s: %w", piece, err)
		}
		if err := ctx.Err(); err != nil {
			return turn{}, err
		}
	}
	return t, nil
}

func (t *turn) piece(ctx context.Context, s *server, w *load.Worker, name string) error {
	switch name {
	case "decode":
		for _, n := range []int{1, 4, 8} {
			before, _ := cpu(s.cmd.Process.Pid)
			sum := w.Decode(ctx, n)
			after, ok := cpu(s.cmd.Process.Pid)
			if ok && s.name == oursName && sum.OutTokens > 0 {
				t.Figures[fmt.Sprint(frontCPU, n)] = float64((after - before).Microseconds()) / float64(sum.OutTokens)
			}
			t.done(sum)
		}
	case "prefix":
		t.done(w.Prefix(ctx)...)
	case "agents":
		t.done(w.Agents(ctx)...)
	case "stall":
		t.done(w.Stall(ctx)...)
	case "cancel":
		t.done(w.Cancel(ctx)...)
	case "busy":
		return besideBusyCore(ctx, func() { t.done(w.Busy(ctx, 1), w.Busy(ctx, 4)) })
	case "edit":
		t.done(w.Edit(ctx))
	case "schemas":
		t.done(w.Schemas(ctx))
	case "fairness":
		who, err := tenants(ctx, s)
		if err != nil {
			return err
		}
		t.done(w.Fairness(ctx, who)...)
	case "switch":
		rows, changes, err := w.Switch(ctx, switched(s))
		if err != nil {
			return err
		}
		t.Figures[modelChanges] = float64(changes)
		t.done(rows...)
	case "restart":
		t.memory(s, engineAtTheEnd)
		return t.restart(ctx, s, w)
	}
	t.memory(s, engineAtTheEnd)
	return nil
}

// restart ends the server in order and starts it again, between two requests with the same long prefix.
func (t *turn) restart(ctx context.Context, s *server, w *load.Worker) error {
	t.done(w.Prime(ctx))
	if err := s.stop(); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	t.Figures[againSeconds] = s.ready.Seconds()
	t.done(w.Return(ctx))
	return nil
}

// memory notes what the server holds; the last time counts. Ours is the front process and the worker, llama-server is one.
func (t *turn) memory(s *server, engine string) {
	pid := s.cmd.Process.Pid
	if s.name != oursName && s.name != bestName {
		t.Figures[engine] = resident(pid)
		return
	}
	t.Figures[frontMemory] = max(t.Figures[frontMemory], resident(pid))
	t.Figures[engine] = resident(children(pid)...)
}

// done keeps the rows and tells their key figures.
func (t *turn) done(rows ...load.Summary) {
	for _, r := range rows {
		t.Work = append(t.Work, r)
		line := fmt.Sprintf("bench:   %-20s first token %7.1f ms, longest gap %7.1f ms", r.Name, r.TTFT, r.LongestGap)
		if r.TTFT95 > 0 {
			line += fmt.Sprintf(", 95th first token %7.1f ms", r.TTFT95)
		}
		if r.Measured {
			line += fmt.Sprintf(", %6.1f tokens/s", r.Rate)
		}
		if r.Errors > 0 {
			line += fmt.Sprintf("; %d of %d failed, the first: %s", r.Errors, r.Requests, r.FirstError)
		}
		fmt.Fprintln(os.Stderr, line)
	}
}
