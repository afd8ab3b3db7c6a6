package figures_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/node/figures"
	"ashatai/internal/obs"
)

func TestFleet(t *testing.T) {
	m := obs.NewMetrics("x")
	f := figures.Fleet{Metrics: m}
	f.Admitted("a", core.ClassBatch, time.Second)
	f.Refused("a", core.CodeQueueFull)
	f.Loaded("a", "mock", time.Second, "")
	f.Died("a", "mock")
	f.Replayed("a")
	f.Queue("a", core.ClassBatch, 3)
	f.Queue("b", core.ClassStandard, 4)
	f.Memory(5, 6)
	f.Unloaded("b", "mock", "idle")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	text := w.Body.String()
	for _, want := range []string{
		`ashatai_refusals_total{code="queue_full",model="a"} 1`, `ashatai_loads_total{model="a",outcome="ok",runtime="mock"} 1`,
		`ashatai_worker_deaths_total{model="a",runtime="mock"} 1`, `ashatai_replays_total{model="a"} 1`, `ashatai_queue_depth{class="batch",model="a"} 3`,
		`ashatai_memory_bytes{line="used"} 5`, `ashatai_memory_bytes{line="budget"} 6`, `ashatai_evictions_total{reason="idle"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(text, `model="b"`) {
		t.Error("a model that is gone still has a queue")
	}
}
