package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ashatai/test/launch"
	"ashatai/test/pgtest"
)

// TestRetention: what a server keeps of its users, it keeps as long as the settings say: chats, responses, conversations, jobs, computed
// prompts and logs are there after a restart, and gone after one with short times, the last of it from the disk too.
func TestRetention(t *testing.T) {
	given(t, "ASHATAI_TEST_MODEL")
	t.Run("sqlite", func(t *testing.T) { retention(t, "") })
	t.Run("postgres", func(t *testing.T) { retention(t, "database.url="+pgtest.For(t).URL("postgres")) })
}

const kept = "canary-of-the-retention"

// keeper is a home with what its server keeps.
type keeper struct {
	t    *testing.T
	home string
	set  []string
}

// on runs a server on the home.
func (k keeper) on(do func(c launch.Client), set ...string) {
	k.t.Helper()
	s := launch.Start(k.t, k.home, append(set, k.set...)...)
	do(launch.Client{Addr: s.Addr})
	s.Stop(k.t)
}

func (k keeper) make(c launch.Client, method, path, body string) (id string) {
	k.t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	if err := c.Into(k.t.Context(), method, path, body, &made); err != nil || made.ID == "" {
		k.t.Fatalf("%s: %q, %v", path, made.ID, err)
	}
	return made.ID
}

// until asks again and again whether something is so, and says whether it became so in time.
func (k keeper) until(so func() bool) bool {
	k.t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond) // the server needs the processors too
	defer tick.Stop()
	for !so() {
		select {
		case <-limit.C:
			return false
		case <-tick.C:
		}
	}
	return true
}

// is waits until a path answers with the status.
func (k keeper) is(c launch.Client, path string, want int) {
	k.t.Helper()
	var status int
	var body []byte
	var err error
	if !k.until(func() bool {
		status, body, err = c.Ask(k.t.Context(), http.MethodGet, path, "")
		return status == want
	}) {
		k.t.Errorf("%s: %d, want %d, %v: %.300s", path, status, want, err, body)
	}
}

// files waits until there are so many files of a kind in the home, or more.
func (k keeper) files(pattern string, want int) {
	k.t.Helper()
	var list []string
	if !k.until(func() bool {
		list, _ = filepath.Glob(filepath.Join(k.home, pattern)) // the patterns are well-formed
		return len(list) == want || want > 0 && len(list) > want
	}) {
		k.t.Errorf("%s: %v, want %d", pattern, list, want)
	}
}

func retention(t *testing.T, database string) {
	t.Helper()
	k := keeper{t: t, home: t.TempDir(), set: []string{"logs.file=server.log"}}
	if database != "" {
		k.set = append(k.set, database)
	}
	var prompt strings.Builder // more than 64 tokens, so that it is kept when it was computed, and no more: its time goes into this test
	for i := range 6 {
		fmt.Fprintf(&prompt, "%s: the number %d is followed by the number %d. ", kept, i, i+1)
	}
	var topics []string // more than a page of SQLite, without a token to compute
	for i := range 12 {
		topics = append(topics, fmt.Sprintf(`"topic %d":%q`, i, strings.Repeat(kept+" ", 20)))
	}
	const computed, aside = "cache/models/*/prefixes/*", "server.log.2*"
	var paths []string
	k.on(func(c launch.Client) {
		message := fmt.Sprintf(`[{"role":"user","content":%q}]`, prompt.String())
		paths = []string{
			"/v1/chat/completions/" + k.make(c, http.MethodPost, "/v1/chat/completions", `{"store":true,"max_tokens":4,"messages":`+message+`}`),
			"/v1/responses/" + k.make(c, http.MethodPost, "/v1/responses", fmt.Sprintf(`{"max_output_tokens":4,"input":%q}`, kept)),
			"/v1/conversations/" + k.make(c, http.MethodPost, "/v1/conversations", `{"metadata":{`+strings.Join(topics, ",")+`}}`),
		}
		if status, body, err := c.Ask(t.Context(), http.MethodPost, "/api/v1/pull", `{"source":"/no/such/file.gguf","stream":false}`); status != http.StatusNotFound && status != http.StatusBadRequest {
			t.Fatalf("%d, %v: %s", status, err, body)
		}
		var list struct {
			Jobs []struct {
				ID string `json:"id"`
			} `json:"jobs"`
		}
		if err := c.Into(t.Context(), http.MethodGet, "/api/v1/jobs", "", &list); err != nil || len(list.Jobs) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		paths = append(paths, "/api/v1/jobs/"+list.Jobs[0].ID)
	})
	k.files(computed, 1)
	old := filepath.Join(k.home, "server.log.20260102T030405.000000000")
	if err := os.WriteFile(old, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.on(func(c launch.Client) {
		for _, p := range paths {
			k.is(c, p, http.StatusOK)
		}
	}, "logs.max_age=0s")
	k.files(computed, 1)
	k.files(aside, 1)
	if !k.holds() && database == "" {
		t.Error("what is looked for could not be found before it was removed")
	}

	time.Sleep(1100 * time.Millisecond) //nolint:forbidigo // longer than anything stays from now on
	k.on(func(c launch.Client) {
		for _, p := range paths {
			k.is(c, p, http.StatusNotFound)
		}
		k.files(computed, 0) // though no model is loaded
		k.files(aside, 0)
	}, "storage.retention=1s", "jobs.retention=1s", "engine.cache_age=1s", "logs.max_age=1s")
	if k.holds() {
		t.Error("the home holds still what was removed")
	}
}

// holds reports whether any file of the home has the text in it that was kept.
func (k keeper) holds() bool {
	k.t.Helper()
	found := false
	err := filepath.WalkDir(k.home, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), kept) {
			k.t.Logf("%s has it", path)
			found = true
		}
		return err
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return found
}
