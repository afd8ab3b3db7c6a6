// Package cert keeps the server's own certificate: it reads the pair of files, refuses what browsers would, and puts another
// in its place while the server runs. It makes none and asks nobody for one.
package cert

import (
	"crypto/tls"
	"crypto/x509"
	"sync/atomic"
	"time"

	"ashatai/internal/core"
)

// Keeper holds the certificate that counts. It may be used by many goroutines.
type Keeper struct {
	now atomic.Pointer[tls.Certificate]
}

// Load reads a certificate with its chain and its key, both PEM, and takes them as they are. Errors: CodeInvalidRequest
// with what is wrong; then the certificate before stays.
func (k *Keeper) Load(certFile, keyFile string) error {
	c, err := Read(certFile, keyFile)
	if err == nil {
		k.now.Store(c)
	}
	return err
}

// Leaf is the certificate itself, without its chain; nil before the first Load.
func (k *Keeper) Leaf() *x509.Certificate {
	if c := k.now.Load(); c != nil {
		return c.Leaf
	}
	return nil
}

// Config is that of a listener whose next handshake gets the certificate that counts then.
func (k *Keeper) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.now.Load(), nil },
	}
}

// Read reads a pair of files.
func Read(certFile, keyFile string) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "The certificate %s and the key %s (tls.cert, tls.key) cannot be used together: %s. Both must be PEM files, and the key the certificate's own, without a password.", certFile, keyFile, err)
	}
	return &c, nil
}

// soon is how long before its end a certificate should have been renewed.
const soon = 14 * 24 * time.Hour

// Verdict says in a sentence what is wrong with a certificate at a time, or nothing, and whether clients refuse it.
func Verdict(c *x509.Certificate, now time.Time) (text string, refused bool) {
	switch {
	case now.Before(c.NotBefore):
		return "The certificate counts from " + c.NotBefore.UTC().Format(time.DateTime) + " UTC on only; look at this machine's clock, or put the right file in its place.", true
	case now.After(c.NotAfter):
		return "The certificate ended at " + c.NotAfter.UTC().Format(time.DateTime) + " UTC; renew it, and send the server SIGHUP.", true
	case now.Add(soon).After(c.NotAfter):
		return "The certificate ends at " + c.NotAfter.UTC().Format(time.DateTime) + " UTC; renew it, and send the server SIGHUP.", false
	}
	return "", false
}
