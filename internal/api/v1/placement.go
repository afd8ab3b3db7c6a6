package v1

import (
	"net/http"

	"ashatai/internal/api"
)

// Placement is where a request for a model would go.
type Placement struct {
	Model      string      `json:"model"`
	Policy     string      `json:"policy" doc:"how one of those that can serve is chosen"`
	Candidates []Candidate `json:"candidates"`
}

// Candidate is one place that was looked at.
type Candidate struct {
	Replica string             `json:"replica,omitempty" doc:"name of the replica, where there are several"`
	Runtime string             `json:"runtime"`
	Device  string             `json:"device,omitempty"`
	Chosen  bool               `json:"chosen"`
	Reason  string             `json:"reason" doc:"why it was chosen, or was not"`
	Score   float64            `json:"score" doc:"between 0 and 1; 0 where it cannot serve"`
	Parts   map[string]float64 `json:"parts,omitempty" doc:"of the score: speed, cost, load, preference, locality"`
	Weight  int                `json:"weight,omitempty"`
	Speed   float64            `json:"tokens_per_second,omitempty" doc:"measured here; absent: not yet"`
	Work    int64              `json:"tokens_outstanding"`
	Loaded  bool               `json:"loaded"`
	Breaker string             `json:"breaker" doc:"closed, open, or trial"`

	Fallback string `json:"fallback,omitempty" doc:"why it is loaded as something weaker than was asked for"`
}

func (h handlers) placement(w http.ResponseWriter, r *http.Request) error {
	p, err := h.c.Fleet.Placement(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	p.Candidates = orEmpty(p.Candidates)
	return api.WriteJSON(w, http.StatusOK, p)
}
