package savedmodel_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/protobuf/protobuftest"
	"ashatai/internal/savedmodel"
	st "ashatai/internal/savedmodel/savedmodeltest"
)

func read(b []byte) (*savedmodel.File, error) {
	return savedmodel.Read(bytes.NewReader(b), int64(len(b)))
}

func TestRead(t *testing.T) {
	g := st.Linear()
	g.Assets = []string{"words.txt"}
	g.Start, g.Filename, g.Restore = "w", "b:0", "xw"
	f, err := read(st.Model(st.Graph{Tags: []string{"train"}}, g))
	if err != nil {
		t.Fatal(err)
	}
	s := f.Signatures["serving_default"]
	if len(f.Signatures) != 2 || len(s.Inputs) != 1 || s.Inputs[0].Name != "x" || s.Inputs[0].Node != "x" || s.Inputs[0].Type != st.Float || !slices.Equal(s.Inputs[0].Shape, []int64{-1, 3}) || s.Outputs[0].Node != "y" {
		t.Errorf("%+v", f.Signatures)
	}
	if in := f.Signatures["loud"].Inputs; len(in) != 1 || !in[0].AnyRank {
		t.Errorf("%+v", in)
	}
	if !slices.Equal(f.Tags, []string{"serve"}) || !f.Variables || !slices.Equal(f.Assets, g.Assets) || f.Operators["MatMul"] != 1 || f.Constants < 32 {
		t.Errorf("%+v", f)
	}
	// One graph serves whatever its tags are.
	if f, err := read(st.Model(st.Graph{Tags: []string{"serve", "gpu"}})); err != nil || len(f.Tags) != 2 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestRefused(t *testing.T) {
	with := func(change func(g *st.Graph)) []byte {
		g := st.Linear()
		change(&g)
		return st.Model(g)
	}
	node := func(op string, in ...string) []byte {
		return with(func(g *st.Graph) { g.Nodes = append(g.Nodes, st.Node{Name: "extra", Op: op, In: in}) })
	}
	output := func(g *st.Graph, name string) {
		g.Signatures["more"] = st.Signature{Outputs: map[string]st.Value{"o": {Node: name, Type: st.Float}}}
	}
	restore := st.Node{Name: "r", Op: "RestoreV2", In: []string{"path"}}
	call := func(name, function string, in ...string) st.Node {
		return st.Node{Name: name, Op: "StatefulPartitionedCall", In: in, Attrs: map[string]st.Attr{"f": st.Call(function)}}
	}
	for name, c := range map[string]struct {
		b    []byte
		says string
	}{
		"no model":           {[]byte("hello"), "broken at byte"},
		"an empty file":      {nil, "no graph"},
		"a file is read":     {node("ReadFile", "s"), `"ReadFile"`},
		"a file is written":  {node("WriteFile"), `"WriteFile"`},
		"code of Python":     {node("PyFunc"), `"PyFunc"`},
		"a stream to a file": {node("PrintV2"), `"PrintV2"`},
		"another machine":    {node("RemoteCall"), `"RemoteCall"`},
		"mapped memory":      {node("ImmutableConst"), `"ImmutableConst"`},
		"no such operator":   {node("NoSuchOperator"), `"NoSuchOperator"`},
		"hidden in a function": {with(func(g *st.Graph) {
			g.Functions = []st.Function{{Name: "f", Nodes: []st.Node{{Name: "n", Op: "WriteFile"}}}}
		}), `"WriteFile"`},
		"a checkpoint is written by an answer": {with(func(g *st.Graph) {
			g.Nodes = append(g.Nodes, st.Node{Name: "o", Op: "SaveV2", In: []string{"s"}})
			output(g, "o:0")
		}), "more than the loading"},
		"a checkpoint is read by an answer, through a function in a list": {with(func(g *st.Graph) {
			g.Functions = []st.Function{{Name: "f", Args: []string{"path"}, Nodes: []st.Node{restore}}}
			g.Nodes = append(g.Nodes, st.Node{Name: "o", Op: "Case", In: []string{"s"}, Attrs: map[string]st.Attr{"branches": st.Calls("g", "f")}})
			output(g, "o:0")
		}), "more than the loading"},
		"a checkpoint is read by an operator that is a function": {with(func(g *st.Graph) {
			g.Functions = []st.Function{{Name: "Own", Args: []string{"path"}, Nodes: []st.Node{restore}}}
			g.Nodes = append(g.Nodes, st.Node{Name: "o", Op: "Own", In: []string{"s"}})
			output(g, "o:0")
		}), "more than the loading"},
		"a checkpoint is read at the start": {with(func(g *st.Graph) {
			g.Nodes = append(g.Nodes, st.Node{Name: "path", Op: "Const"}, restore, st.Node{Name: "start", Op: "NoOp", In: []string{"^r"}})
			g.Start = "start"
		}), "more than the loading"},
		"another checkpoint is loaded": {with(func(g *st.Graph) {
			g.Nodes = append(g.Nodes, st.Node{Name: "own", Op: "Placeholder"}, st.Node{Name: "path", Op: "Const"}, restore)
			g.Filename, g.Restore = "own:0", "r"
		}), "other files"},
		"the output beside the path is loaded": {with(func(g *st.Graph) {
			g.Nodes = append(g.Nodes, st.Node{Name: "own", Op: "IdentityN"}, st.Node{Name: "r", Op: "RestoreV2", In: []string{"own:1"}})
			g.Filename, g.Restore = "own:0", "r"
		}), "other files"},
		"a function is given another path": {with(func(g *st.Graph) {
			g.Functions = []st.Function{{Name: "f", Args: []string{"path"}, Nodes: []st.Node{restore}}}
			g.Nodes = append(g.Nodes, st.Node{Name: "own", Op: "Placeholder"}, st.Node{Name: "evil", Op: "Const"}, call("load", "f", "evil"))
			g.Filename, g.Restore = "own:0", "load"
		}), "other files"},
		"a function is given another path by one of two": {with(func(g *st.Graph) {
			g.Functions = []st.Function{
				{Name: "outer", Args: []string{"a", "b"}, Nodes: []st.Node{{Name: "evil", Op: "Const"}, call("x", "f", "a"), call("y", "f", "evil:output:0")}},
				{Name: "f", Args: []string{"path"}, Nodes: []st.Node{restore}},
			}
			g.Nodes = append(g.Nodes, st.Node{Name: "own", Op: "Placeholder"}, call("load", "outer", "own", "own"))
			g.Filename, g.Restore = "own:0", "load"
		}), "other files"},
		"a function is given its path by a branch": {with(func(g *st.Graph) {
			g.Functions = []st.Function{{Name: "f", Args: []string{"path"}, Nodes: []st.Node{restore}}}
			g.Nodes = append(g.Nodes, st.Node{Name: "own", Op: "Placeholder"}, st.Node{Name: "evil", Op: "Const"},
				st.Node{Name: "load", Op: "Case", In: []string{"own", "evil"}, Attrs: map[string]st.Attr{"branches": st.Calls("f")}})
			g.Filename, g.Restore = "own:0", "load"
		}), "other files"},
		"loading writes": {with(func(g *st.Graph) {
			g.Nodes = append(g.Nodes, st.Node{Name: "own", Op: "Placeholder"}, st.Node{Name: "r", Op: "MergeV2Checkpoints", In: []string{"own"}})
			g.Filename, g.Restore = "own:0", "r"
		}), "other files"},
		"a function that is chosen by the library": {with(func(g *st.Graph) {
			g.Functions = []st.Function{{Name: "f", Args: []string{"path"}, Nodes: []st.Node{restore}, Attrs: map[string]st.Attr{"api_implements": st.Type(1)}}}
		}), "at any time"},
		"an output of nothing":   {with(func(g *st.Graph) { output(g, "nowhere:0") }), `"nowhere"`},
		"an output without name": {with(func(g *st.Graph) { output(g, ":0") }), "names no value"},
		"two of a name":          {with(func(g *st.Graph) { g.Nodes = append(g.Nodes, st.Node{Name: "x", Op: "NoOp"}) }), "that of another"},
		"two functions":          {with(func(g *st.Graph) { g.Functions = []st.Function{{Name: "f"}, {Name: "f"}} }), "that of another"},
		"an asset elsewhere":     {with(func(g *st.Graph) { g.Assets = []string{"../x"} }), "folder of assets"},
		"two graphs":             {st.Model(st.Linear(), st.Linear()), "2 graphs"},
		"a tag is given twice, so that the library loads another graph than the one that is looked at": {st.Model(st.Graph{Tags: []string{"serve", "serve"}}, st.Linear()), "2 graphs"},
		"none that serves": {st.Model(st.Graph{Tags: []string{"a"}}, st.Graph{Tags: []string{"b"}}), "0 are tagged"},
		"too many dimensions": {with(func(g *st.Graph) {
			g.Signatures["more"] = st.Signature{Inputs: map[string]st.Value{"i": {Node: "x:0", Shape: make([]int64, 100)}}}
		}), "dimensions"},
		"attributes without end": {with(func(g *st.Graph) {
			a := st.Call("f")
			for range 50 {
				a = protobuftest.Message(nil, 10, protobuftest.Entry(nil, 2, "k", a))
			}
			g.Nodes = append(g.Nodes, st.Node{Name: "n", Op: "NoOp", Attrs: map[string]st.Attr{"k": a}})
		}), "too deep"},
		"a message that is a number": {protobuftest.Number(nil, 2, 1), "message is missing"},
	} {
		if _, err := read(c.b); core.CodeOf(err) != core.CodeBadModel || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := st.Model(st.Linear())
	for n := 1; n < len(whole); n += 7 {
		if _, err := read(whole[:n]); err != nil && core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

// TestOwnWeights: what exported models do to load their weights is allowed, in both forms.
func TestOwnWeights(t *testing.T) {
	old := st.Linear()
	old.Nodes = append(old.Nodes, st.Node{Name: "save/Const", Op: "PlaceholderWithDefault", In: []string{"save/filename"}}, st.Node{Name: "save/filename", Op: "Const"},
		st.Node{Name: "save/SaveV2", Op: "SaveV2", In: []string{"save/Const"}},
		st.Node{Name: "save/id", Op: "Identity", In: []string{"save/Const"}}, st.Node{Name: "save/RestoreV2", Op: "RestoreV2", In: []string{"save/id"}},
		st.Node{Name: "save/restore_all", Op: "NoOp", In: []string{"^save/RestoreV2"}})
	old.Filename, old.Restore = "save/Const:0", "save/restore_all"
	call := st.Linear()
	call.Functions = []st.Function{{Name: "restore", Args: []string{"prefix"}, Nodes: []st.Node{{Name: "r", Op: "RestoreV2", In: []string{"prefix"}}}}, {Name: "save", Args: []string{"prefix"}, Nodes: []st.Node{{Name: "s", Op: "SaveV2", In: []string{"prefix"}}}}}
	call.Nodes = append(call.Nodes, st.Node{Name: "saver_filename", Op: "Placeholder"},
		st.Node{Name: "load", Op: "StatefulPartitionedCall", In: []string{"saver_filename"}, Attrs: map[string]st.Attr{"f": st.Call("restore")}},
		st.Node{Name: "store", Op: "StatefulPartitionedCall", In: []string{"saver_filename"}, Attrs: map[string]st.Attr{"f": st.Call("save")}})
	call.Filename, call.Restore = "saver_filename:0", "load"
	nested := call // as above, one function deeper, with the path behind another argument
	nested.Functions = append(slices.Clone(call.Functions), st.Function{Name: "outer", Args: []string{"v", "path"}, Nodes: []st.Node{
		{Name: "id", Op: "Identity", In: []string{"path"}},
		{Name: "inner", Op: "StatefulPartitionedCall", In: []string{"id:output:0"}, Attrs: map[string]st.Attr{"f": st.Call("restore")}},
	}})
	nested.Nodes = append(slices.Clone(call.Nodes), st.Node{Name: "deep", Op: "StatefulPartitionedCall", In: []string{"w", "saver_filename"}, Attrs: map[string]st.Attr{"f": st.Call("outer")}})
	nested.Restore = "deep"
	for _, g := range []st.Graph{old, call, nested} {
		if f, err := read(st.Model(g)); err != nil || !f.Variables {
			t.Errorf("%+v, %v", f, err)
		}
	}
}

// TestRealModels reads published models.
func TestRealModels(t *testing.T) {
	dir := os.Getenv("ASHATAI_TEST_TENSORFLOW_MODELS")
	if dir == "" {
		t.Skip("ASHATAI_TEST_TENSORFLOW_MODELS is not set; make test sets it")
	}
	for _, name := range []string{"basic-pitch", "guesslang"} {
		f, err := os.Open(filepath.Join(dir, name, savedmodel.Main))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck,revive // read only, to the end of the test
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if m, err := savedmodel.Read(f, info.Size()); err != nil || len(m.Signatures["serving_default"].Inputs) != 1 || !m.Variables {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestOperators(t *testing.T) {
	list := savedmodel.Operators()
	if !slices.IsSorted(list) || len(list) < 700 {
		t.Errorf("%d operators", len(list))
	}
	for _, op := range []string{
		"ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc", "PrintV2", "DebugIdentity", "RemoteCall", "EncodeProto", "DecodeProtoV2", "ImmutableConst",
		"TFRecordDataset", "SqlDataset", "LoadAndRemapMatrix", "InitializeTableFromTextFileV2", "SaveV2", "RestoreV2", "Abort", "MlirPassthroughOp", "XlaLaunch", "Recv", "CreateSummaryFileWriter", "GenerateVocabRemapping",
	} {
		if slices.Contains(list, op) {
			t.Errorf("%s is allowed", op)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(st.Model(st.Linear()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := read(b); (m == nil) != (err != nil) || err != nil && core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("%+v, %v", m, err)
		}
	})
}
