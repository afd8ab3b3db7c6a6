package core

// Identity is who an identity provider says that somebody is.
type Identity struct {
	Issuer   string
	Subject  string // the provider's id of the person, which never becomes another's
	Name     string // what the person likes to be called there; may be empty
	Email    string // may be empty
	Verified bool   // the provider knows that the address is the person's
	Groups   []string
}

// Key is what an account keeps of it: User.Subject.
func (i Identity) Key() string { return SubjectKey(i.Issuer, i.Subject) }

// SubjectKey joins a provider and its id of a person.
func SubjectKey(issuer, subject string) string { return issuer + " " + subject }
