package conformance_test

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ashatai/test/launch"
)

// TestSoakContract lets Schemathesis make requests up from the server's OpenAPI document: none is answered with a 5xx, with a
// status or a body that the document does not know, or with success where the document forbids the request. The rules
// and what is left out, with the reasons, are in contract/. make test sends a tenth of what make soak sends.
func TestSoakContract(t *testing.T) {
	addr := launch.Site(t, mock)
	st, err := filepath.Abs(filepath.Join(filepath.Dir(launch.Given(t, "ASHATAI_TEST_PYTHON")), "st"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs("contract")
	if err != nil {
		t.Fatal(err)
	}
	examples, least := "5", 2_000
	if os.Getenv("ASHATAI_TEST_SOAK") != "" {
		examples, least = "250", 20_000
	}
	cmd := exec.CommandContext(t.Context(), st, "--config-file", filepath.Join(rules, "schemathesis.toml"), "--no-color",
		"run", addr+"/openapi.json", "--max-examples", examples)
	cmd.Dir = t.TempDir() // it leaves what it learnt behind
	cmd.Env = append(cmd.Environ(), "PYTHONPATH="+rules, "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	got, ok := answered(t, addr)
	t.Logf("%d requests, %d of them answered with success", got, ok)
	if got < least || ok < got/5 {
		t.Errorf("only %d requests were sent and %d succeeded; %d are promised, a fifth of them with success\n%s", got, ok, least, out)
	}
}

// answered counts by the server's own metrics the requests that it answered, and those with success.
func answered(t *testing.T, addr string) (all, ok int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, addr+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test's own request
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		labels, value, found := strings.Cut(lines.Text(), "} ")
		if !found || !strings.HasPrefix(labels, "ashatai_requests_total{") {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		all += n
		if strings.Contains(labels, `status="2`) {
			ok += n
		}
	}
	return all, ok
}
