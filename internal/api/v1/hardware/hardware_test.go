package hardware

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/device"
)

type fake struct{ r device.Report }

func (f fake) Report(context.Context) device.Report { return f.r }
func (f fake) Taken() map[string]Ledger             { return map[string]Ledger{"vulkan0": {Limit: 9, Used: 3}} }

func ask(t *testing.T, r device.Report) DeviceList {
	t.Helper()
	row := Routes(fake{r})[0]
	w := httptest.NewRecorder()
	if err := row.Handle(w, httptest.NewRequestWithContext(t.Context(), row.Method, row.Path, nil)); err != nil {
		t.Fatal(err)
	}
	var out DeviceList
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestList(t *testing.T) {
	got := ask(t, device.Report{
		Processor: &device.Processor{Name: "p", Cores: 4, Usable: 2, Nodes: 1, Features: []string{"avx2"}, Memory: 5}, Notes: []string{"n"},
		Devices: []device.Device{
			{ID: "vulkan0", Backend: "vulkan", Kind: "gpu", Name: "llvmpipe", Software: true, Error: 0.001, Runtimes: []string{"llamacpp"}, Total: 8, Free: 7},
			{ID: "nvidia0", Backend: "nvml", Kind: "gpu", Missing: "No library."},
		},
	})
	want := DeviceList{
		Processor: &Processor{Name: "p", Cores: 4, Usable: 2, Nodes: 1, Features: []string{"avx2"}, Memory: 5}, Notes: []string{"n"},
		Devices: []Device{
			{
				ID: "vulkan0", Backend: "vulkan", Kind: "gpu", Name: "llvmpipe", Software: true, Ready: true, Error: 0.001, Runtimes: []string{"llamacpp"},
				Memory: Memory{Total: 8, Free: 7, Models: Ledger{Limit: 9, Used: 3}},
			},
			{ID: "nvidia0", Backend: "nvml", Kind: "gpu", Runtimes: []string{}, Missing: "No library."},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if none := ask(t, device.Report{}); none.Devices == nil || none.Notes == nil {
		t.Errorf("lists are null: %+v", none)
	}
}
