// Package seal keeps the server's one secret key, and what is made of it: the key that signs, and boxes that only this server
// opens; and it puts another key in its place. It knows nothing of what is sealed, and it never writes a key anywhere but into
// the key's own file and the one beside it.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/whole"
)

const keySize = 32

// Keys are made of one secret.
type Keys struct{ secret []byte }

// Parse reads the secret from text: 64 hexadecimal digits. Where says where the text is from, for sentences.
func Parse(text, where string) (*Keys, error) {
	b, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != keySize {
		return nil, core.Errorf(core.CodeInvalidRequest, "The server's key in %s is not 64 hexadecimal digits.", where) // never the text or its cause
	}
	return &Keys{b}, nil
}

// New makes keys of a new secret.
func New() *Keys {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // it never fails
	return &Keys{secret}
}

// ID tells keys apart, in 16 hexadecimal digits, and says nothing of the secret.
func (k *Keys) ID() string {
	const size = 8
	return hex.EncodeToString(k.derive("key id")[:size])
}

// Load reads the secret from a file that only its owner may read, and makes one where there is none.
func Load(path string) (*Keys, error) {
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path, New()); err != nil && !errors.Is(err, fs.ErrExist) { // of two programs that do so at once, both read the first one's
			return nil, core.Wrap(core.CodeUnavailable, err, "The server's key cannot be written to %s.", path)
		}
		fi, err = os.Stat(path)
	}
	if err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The server's key %s cannot be read.", path)
	}
	const others = 0o077
	if runtime.GOOS != "windows" && fi.Mode().Perm()&others != 0 {
		return nil, core.Errorf(core.CodeForbidden, "The server's key %s can be read by others (mode %#o). Run `chmod 600 %s`, and change what it sealed if others may have read it.", path, fi.Mode().Perm(), path)
	}
	b, err := os.ReadFile(path) //nolint:gosec // the path is a setting of the operator
	if err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The server's key %s cannot be read.", path)
	}
	return Parse(string(b), "the file "+path)
}

// halfPrefix begins the name of a file that is to become a key's. One stays where a process is killed as it makes it.
const halfPrefix = ".key-"

// Holds reports whether a file holds the key whose place is path, the one that is to follow it, or what a process that was killed
// wrote of either. The folder may go by several names.
func Holds(path, file string) bool {
	name, own := filepath.Base(file), filepath.Base(path)
	if name != own && name != own+NextSuffix && !strings.HasPrefix(name, halfPrefix) {
		return false
	}
	there, err := os.Stat(filepath.Dir(file))
	here, failed := os.Stat(filepath.Dir(path))
	return err == nil && failed == nil && os.SameFile(there, here)
}

// create writes a secret to a new file, whole or not at all.
func create(path string, k *Keys) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, halfPrefix+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(hex.EncodeToString(k.secret) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Link(f.Name(), path), whole.SyncFolder(dir))
}

func (k *Keys) derive(purpose string) []byte {
	b, err := hkdf.Key(sha256.New, k.secret, nil, "ashatai "+purpose, keySize)
	if err != nil {
		panic("the length is one that the hash can make: " + err.Error())
	}
	return b
}

// Signer is the key that signs checkpoints of the audit.
func (k *Keys) Signer() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(k.derive("audit signature"))
}

const prefix = "sealed1:"

// Seal encrypts a credential. What is sealed under one name does not open under another, so that nobody who can write the
// database puts one credential in the place of another.
func (k *Keys) Seal(name, plain string) string {
	sealed := k.box().Seal(nil, nil, []byte(plain), []byte(name)) //nolint:gosec // the box makes its own nonce and wants none
	return prefix + base64.RawStdEncoding.EncodeToString(sealed)
}

// Open is the credential that Seal was given. Errors: CodeUnavailable, where another key sealed it or it was changed.
func (k *Keys) Open(name, sealed string) (string, error) {
	text, ok := strings.CutPrefix(sealed, prefix)
	b, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if ok && err == nil {
		if b, err = k.box().Open(nil, nil, b, []byte(name)); err == nil {
			return string(b), nil
		}
	}
	return "", core.Wrap(core.CodeUnavailable, err, "The credential %s cannot be opened: this server's key did not seal it. Give the server the key that it had, or set the credential again.", name)
}

func (k *Keys) box() cipher.AEAD {
	block, err := aes.NewCipher(k.derive("credentials"))
	if err != nil {
		panic("the key has a size of the cipher: " + err.Error())
	}
	box, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("the block has a size of the mode: " + err.Error())
	}
	return box
}
