package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Replica is one place that serves a model, as the setting replicas says it.
type Replica struct {
	Remote, Model, Runtime string
	Copies, Weight         int // 0: one
	Vocabulary, Template   string
}

const (
	maxCopies = 64
	maxWeight = 1000
)

// ParseReplica reads "remote=gpu1 model=org/name weight=2".
func ParseReplica(text string) (Replica, error) {
	var r Replica
	texts := map[string]*string{"remote": &r.Remote, "model": &r.Model, "runtime": &r.Runtime, "vocabulary": &r.Vocabulary, "template": &r.Template}
	numbers := map[string]struct {
		to   *int
		most int
	}{"copies": {&r.Copies, maxCopies}, "weight": {&r.Weight, maxWeight}}
	for word := range strings.FieldsSeq(text) {
		key, value, ok := strings.Cut(word, "=")
		n, number := numbers[key]
		switch to := texts[key]; {
		case !ok || value == "":
			return r, fmt.Errorf("%q is no word of a replica; write it as key=value", word)
		case to != nil:
			*to = value
		case number:
			v, err := strconv.Atoi(value)
			if err != nil || v < 1 || v > n.most {
				return r, fmt.Errorf("%s is %q; it must be a number between 1 and %d", key, value, n.most)
			}
			*n.to = v
		default:
			return r, fmt.Errorf("a replica has no %q; it has remote, model, runtime, copies, weight, vocabulary and template", key)
		}
	}
	switch {
	case r == Replica{}:
		return r, errors.New("a replica needs at least runtime=, model= or remote=")
	case r.Remote != "" && (r.Model == "" || r.Runtime != "" || r.Copies > 0):
		return r, fmt.Errorf("the replica at the remote %s must have model=, the model's name there, and neither runtime= nor copies=", r.Remote)
	}
	return r, nil
}
