package core

import "time"

// Secret is a credential of the server's own, such as the token for a hub, sealed by the server's key.
type Secret struct {
	Name    string
	Sealed  string    // opens with that key and under this name alone
	Key     string    // id of the key that sealed it
	Created time.Time // to the nanosecond
	Updated time.Time
}

// SecretInfo tells of a Secret without it.
type SecretInfo struct {
	Name    string
	Key     string   // id of the server's key that sealed it
	Opens   bool     // with the key that the server has
	UsedBy  []string // settings that name it
	Created time.Time
	Updated time.Time
}

// KeyTurn says what became of everything sealed when the server got another key.
type KeyTurn struct {
	Old, New string   // ids of the keys
	File     string   // that holds the new key; empty: it is given by a setting
	Sealed   int      // how many credentials were sealed anew
	Left     []string // names of those that the old key did not open; they are as they were
}
