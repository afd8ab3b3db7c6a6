package litert

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ashatai/internal/native"
)

func open(t *testing.T) *Library {
	t.Helper()
	dir := os.Getenv("ASHATAI_TEST_TENSORFLOW")
	if dir == "" {
		t.Skip("ASHATAI_TEST_TENSORFLOW is not set; make test sets it where TensorFlow is installed")
	}
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func model(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("ASHATAI_TEST_TENSORFLOW_MODELS")
	if dir == "" {
		t.Skip("ASHATAI_TEST_TENSORFLOW_MODELS is not set; make test sets it")
	}
	return filepath.Join(dir, name)
}

func TestRun(t *testing.T) {
	l := open(t)
	m, err := l.Load(model(t, "face_detection_front.tflite"), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if len(m.In) != 1 || len(m.Out) != 2 || m.In[0].Name != "input" || m.In[0].Size() != 128*128*3*4 || m.Out[0].Size() != 896*16*4 {
		t.Fatalf("%+v, %+v", m.In, m.Out)
	}
	var answers [][]byte
	for _, fill := range []byte{0, 0x3f, 0} {
		if err := m.In[0].Write(bytes.Repeat([]byte{fill}, m.In[0].Size())); err != nil {
			t.Fatal(err)
		}
		if err := m.Run(); err != nil {
			t.Fatal(err)
		}
		b, err := m.Out[0].Read()
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, b)
	}
	if bytes.Equal(answers[0], answers[1]) || !bytes.Equal(answers[0], answers[2]) {
		t.Error("the answers do not follow the inputs")
	}
	if err := m.In[0].Write(nil); !errors.Is(err, ErrFailed) {
		t.Errorf("too few bytes: %v", err)
	}
	m.Close() // twice
}

func TestNotLoaded(t *testing.T) {
	l := open(t)
	bad := filepath.Join(t.TempDir(), "x.tflite")
	if err := os.WriteFile(bad, []byte("no model of any kind"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		sig  int
	}{{bad, 0}, {bad + "x", 0}, {model(t, "face_detection_front.tflite"), 7}} {
		if _, err := l.Load(c.path, c.sig); !errors.Is(err, ErrFailed) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, native.ErrMissing) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Check(dir); !errors.Is(err, native.ErrMismatch) && !errors.Is(err, native.ErrMissing) {
		t.Errorf("%v", err)
	}
}
