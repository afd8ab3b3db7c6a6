package protobuf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/protobuf"
	"ashatai/internal/protobuf/protobuftest"
)

// fields reads the whole of b, and the text of each field of bytes.
func fields(b []byte) (got []protobuf.Field, texts []string, err error) {
	c := protobuf.New(bytes.NewReader(b))
	err = c.Each(0, int64(len(b)), func(f protobuf.Field) error {
		got = append(got, f)
		if f.Kind != protobuf.Lengthy {
			return nil
		}
		s, err := c.Text(f)
		texts = append(texts, s)
		return err
	})
	return got, texts, err
}

func TestFields(t *testing.T) {
	b := protobuftest.Number(nil, 3, -1)
	b = protobuftest.Text(b, 200, "né")
	b = binary.LittleEndian.AppendUint64(protobuftest.Tag(b, 4, protobuf.Fixed64), 7)
	b = binary.LittleEndian.AppendUint32(protobuftest.Tag(b, 5, protobuf.Fixed32), 7)
	b = protobuftest.Message(b, 6, []byte{0xff})
	got, texts, err := fields(b)
	if err != nil || len(got) != 5 || got[0].Value != 1<<64-1 || got[1].Number != 200 || strings.Join(texts, "|") != "né|\uFFFD" {
		t.Errorf("%+v, %q, %v", got, texts, err)
	}
	// A window that is moved to read what lies beyond it.
	long := protobuftest.Text(protobuftest.Text(nil, 1, strings.Repeat("a", 1<<16)), 2, "b")
	if _, texts, err := fields(long); err != nil || len(texts) != 2 || len(texts[0]) != 1<<16 || texts[1] != "b" {
		t.Errorf("%d texts, %v", len(texts), err)
	}
}

func TestBroken(t *testing.T) {
	for name, b := range map[string][]byte{
		"a tag cut off":         {0x80},
		"a number too long":     append(bytes.Repeat([]byte{0x80}, 10), 1),
		"no number":             {0, 0},
		"a number out of range": binary.AppendUvarint(nil, 1<<40),
		"a value cut off":       {0x08, 0x80},
		"a length that lies":    {0x0a, 100, 1},
		"a huge length":         binary.AppendUvarint([]byte{0x0a}, 1<<63),
		"a fixed one cut off":   {0x09, 1, 2},
		"a group":               {0x0b},
		"a text too long":       protobuftest.Text(nil, 1, strings.Repeat("x", protobuf.MaxText+1)),
	} {
		if _, _, err := fields(b); core.CodeOf(err) != core.CodeBadModel || !strings.Contains(err.Error(), "byte") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := protobuf.New(bytes.NewReader(nil))
	if _, err := c.Text(protobuf.Field{Kind: protobuf.Lengthy, Start: 3, End: 5}); core.CodeOf(err) != core.CodeBadModel {
		t.Errorf("a text beyond the end: %v", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the disk is gone") }

func TestUnreadable(t *testing.T) {
	c := protobuf.New(failing{})
	if err := c.Each(0, 10, nil); core.CodeOf(err) != core.CodeBadModel || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("%v", err)
	}
	if _, err := c.Text(protobuf.Field{Kind: protobuf.Lengthy, End: 5}); core.CodeOf(err) != core.CodeBadModel {
		t.Errorf("%v", err)
	}
}

func FuzzEach(f *testing.F) {
	f.Add(protobuftest.Text(protobuftest.Number(nil, 1, 5), 2, "x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, _, err := fields(b)
		for _, x := range got {
			if x.Start < 0 || x.End < x.Start || x.End > int64(len(b)) {
				t.Fatalf("%+v of %d bytes, %v", x, len(b), err)
			}
		}
	})
}
