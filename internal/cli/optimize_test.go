package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
)

const fakeOptimized = `{"type":"q8_0","size":144811072,"digest":"1f0c","weights":"as-is","machine":"a desk","release":"v9","suggestion":"Use it.","trials":[` + fakeTrial + `]}`

const fakeTrial = `{"type":"q8_0","size":144811072,"divergence":0.006,"agreement":0.95,"tokens":2304,"speeds":[{"work":"prefill 512","as_is":336,"new":713,"ratio":2.1,"pairs":9}]}`

// optimize answers by the model's name and the types asked for.
func (f *fake) optimize(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if !f.known(w, name) {
		return
	}
	var req optimizeRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	fmt.Fprintln(w, `{"status":"making","type":"q8_0"}`)
	fmt.Fprintln(w, `{"status":"making","type":"q8_0","fraction":1}`)
	switch {
	case len(req.Types) == 0:
		fmt.Fprintln(w, `{"status":"tried","type":"q8_0","trial":`+fakeTrial+`}`)
		fmt.Fprintln(w, `{"status":"success","result":`+fakeOptimized+`}`)
	case req.Types[0] == "q4_0":
		fmt.Fprintln(w, `{"status":"tried","type":"q4_0","trial":{"type":"q4_0","size":100,"divergence":0.3,"agreement":0.7,"tokens":512,"refused":"they differ too much"}}`)
		fmt.Fprintln(w, `{"status":"success","result":{"digest":"1f0c","weights":"auto","trials":[]}}`)
	case req.Types[0] == "bad":
		fmt.Fprintln(w, `{"error":{"code":"disk_full","message":"The disk is full.","request_id":"r"}}`)
	case req.Types[0] == "garbled":
		fmt.Fprintln(w, `{"status":`)
	}
}
