package core

import "time"

// QueueItem is what a queue knows of a piece of work: who asks, how urgent it is, and what it is expected to cost. Every
// queue of the product orders work by it.
type QueueItem struct {
	Tenant      string    // who shares one place in the fair order
	Class       Class     // a higher class is served first
	Weight      int       // share of the tenant beside others; 0 means 1
	Cost        int       // expected tokens, prompt and answer; 0 means 1
	Deadline    time.Time // dropped from the queue after this; zero: never
	Prefix      uint64    // hash of the prompt's beginning: equal ones profit from the same instance; 0: not known
	Fingerprint uint64    // hash of model and prompt: tells a request that ends workers; 0: not known
}
