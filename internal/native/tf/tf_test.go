package tf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/native"
	"ashatai/internal/native/tf"
	"ashatai/internal/protobuf"
	"ashatai/internal/savedmodel"
	st "ashatai/internal/savedmodel/savedmodeltest"
)

var library = sync.OnceValues(func() (*tf.Library, error) { return tf.Open(os.Getenv("ASHATAI_TEST_TENSORFLOW")) })

func open(t *testing.T) *tf.Library {
	t.Helper()
	if os.Getenv("ASHATAI_TEST_TENSORFLOW") == "" {
		t.Skip("ASHATAI_TEST_TENSORFLOW is not set; make test sets it where TensorFlow is installed")
	}
	l, err := library()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func load(t *testing.T, g st.Graph) (*tf.Library, *tf.Session) {
	t.Helper()
	l := open(t)
	s, err := l.Load(filepath.Dir(st.Folder(t, g)), []string{"serve"}, tf.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return l, s
}

func raw(v ...float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func TestNumbers(t *testing.T) {
	l, s := load(t, st.Linear())
	x, y := tf.Port{Node: "x"}, tf.Port{Node: "y"}
	if !s.Has(y) || s.Has(tf.Port{Node: "z"}) || s.Has(tf.Port{Node: "y", Index: 1}) {
		t.Error("values of the graph")
	}
	v, err := l.Of(tf.Float32, []int64{2, 3}, raw(1, 2, 3, 0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	out, err := s.Run([]tf.Port{x}, []*tf.Value{v}, []tf.Port{y}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer out[0].Close()
	typ, shape := out[0].Info()
	if b, err := out[0].Data(); err != nil || typ != tf.Float32 || len(shape) != 2 || shape[0] != 2 || !bytes.Equal(b, raw(22.5, 27.5, 0.5, -0.5)) {
		t.Errorf("%d %v %v, %v", typ, shape, b, err)
	}
	if _, err := out[0].AppendTexts(nil); err == nil {
		t.Error("texts of numbers")
	}
	if _, err := s.Run([]tf.Port{x}, nil, []tf.Port{y}, 0); err == nil {
		t.Error("too few values")
	}
	if _, err := s.Run(nil, nil, []tf.Port{{Node: "z"}}, 0); !errors.Is(err, tf.ErrFailed) {
		t.Errorf("an unknown output: %v", err)
	}
	if _, err := s.Run([]tf.Port{{Node: "z"}}, []*tf.Value{v}, []tf.Port{y}, 0); !errors.Is(err, tf.ErrFailed) {
		t.Errorf("an unknown input: %v", err)
	}
	if _, err := s.Run(nil, nil, []tf.Port{y}, 0); !errors.Is(err, tf.ErrFailed) {
		t.Errorf("a missing input: %v", err)
	}
	if _, err := l.Of(tf.Float32, []int64{3}, raw(1)); err == nil {
		t.Error("too few bytes")
	}
	empty, err := l.Of(tf.Float32, []int64{0, 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if b, err := empty.Data(); err != nil || b != nil {
		t.Errorf("%v, %v", b, err)
	}
}

func TestTexts(t *testing.T) {
	l, s := load(t, st.Linear())
	words := []string{"a", "", strings.Repeat("long ", 100)}
	v, err := l.Texts([]int64{3, 1}, words)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	out, err := s.Run([]tf.Port{{Node: "s"}}, []*tf.Value{v}, []tf.Port{{Node: "upper"}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out[0].Close()
	b, err := out[0].AppendTexts(nil)
	if got := core.Texts(b); err != nil || len(got) != 3 || got[0] != "A" || got[1] != "" || got[2] != strings.ToUpper(words[2]) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := out[0].Data(); err == nil {
		t.Error("plain memory of texts")
	}
	if _, err := l.Texts([]int64{2}, words); err == nil {
		t.Error("too many texts")
	}
	none, err := l.Texts([]int64{0}, nil)
	if err != nil {
		t.Fatal(err)
	}
	none.Close()
}

func TestLimitAndStop(t *testing.T) {
	l, s := load(t, st.Slow())
	v, err := l.Of(tf.Float32, nil, raw(1e-3))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	in, out := []tf.Port{{Node: "x"}}, []tf.Port{{Node: "last"}}
	if _, err := s.Run(in, []*tf.Value{v}, out, 50*time.Millisecond); !errors.Is(err, tf.ErrTimeout) {
		t.Errorf("a run beyond its limit: %v", err)
	}
	done := make(chan error)
	go func() {
		_, err := s.Run(in, []*tf.Value{v}, out, 0)
		done <- err
	}()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, tf.ErrFailed) {
		t.Errorf("a run that is stopped: %v", err)
	}
}

func TestNotLoaded(t *testing.T) {
	l := open(t)
	if l.Version() != tf.Release {
		t.Error(l.Version())
	}
	if _, err := l.Load(t.TempDir(), []string{"serve"}, tf.Options{Threads: 1}); !errors.Is(err, tf.ErrFailed) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := l.Load(filepath.Dir(st.Folder(t, st.Linear())), []string{"train"}, tf.Options{Threads: 1}); !errors.Is(err, tf.ErrFailed) {
		t.Errorf("other tags: %v", err)
	}
}

// TestLock: a folder without the libraries, and with others, is told apart.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	if _, err := tf.Open(dir); !errors.Is(err, native.ErrMissing) {
		t.Errorf("%v", err)
	}
	if sums, err := tf.Lock(); err == nil {
		for name := range sums {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("other"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := tf.Check(dir); !errors.Is(err, native.ErrMismatch) {
			t.Errorf("%v", err)
		}
	}
	if d, err := tf.DefaultDir(); err != nil || filepath.Base(d) != "tensorflow" {
		t.Errorf("%s, %v", d, err)
	}
}

// TestOperatorsExist compares the list of what models may use with the library: each exists, and those that it says to have
// effects were looked at one by one.
func TestOperatorsExist(t *testing.T) {
	list := open(t).Operators()
	c := protobuf.New(bytes.NewReader(list))
	effects := map[string]bool{}
	if err := c.Each(0, int64(len(list)), func(op protobuf.Field) error {
		name, stateful := "", false
		err := c.Each(op.Start, op.End, func(f protobuf.Field) (err error) {
			switch f.Number {
			case 1:
				name, err = c.Text(f)
			case 17:
				stateful = f.Value != 0
			}
			return err
		})
		effects[name] = stateful
		return err
	}); err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, op := range savedmodel.Operators() {
		stateful, ok := effects[op]
		if !ok {
			t.Errorf("%s does not exist", op)
		}
		if stateful {
			looked++
		}
	}
	if known := 88; len(effects) < 1500 || looked != known {
		t.Errorf("of %d operators, %d are allowed that have effects, where %d were looked at", len(effects), looked, known)
	}
}
