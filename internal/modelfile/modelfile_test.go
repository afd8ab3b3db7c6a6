package modelfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func TestParse(t *testing.T) {
	got, err := Parse("\ufeff# a comment\r\n  from  ./model.gguf  \r\n\r\n" +
		"PARAMETER temperature 0.7\nparameter TOP_K 40\nPARAMETER stop <|end|>\nPARAMETER stop \"User: \"\n" +
		"PARAMETER num_ctx 4096\nPARAMETER seed 7\nPARAMETER num_gpu 99\nPARAMETER num_predict -1\nPARAMETER mirostat 0\n" +
		"TEMPLATE \"\"\"{% for m in messages %}\n{{ m[\"\"\"x\"\"\"] }}  \n{% endfor %}\"\"\"\n" +
		"SYSTEM \"\"\"\nThis is a\n# multiline system.\n\"\"\"  \n" +
		"MESSAGE user Why is the sky blue?\nmessage assistant \"Because of\nthe air.\"\n" +
		"LICENSE MIT\nLICENSE \"\"\"Apache\"\"\"\n")
	if err != nil {
		t.Fatal(err)
	}
	warm, top := 0.7, 40
	want := &File{
		From: "./model.gguf", FromLine: 2, Template: "{% for m in messages %}\n{{ m[\"\"\"x\"\"\"] }}  \n{% endfor %}",
		System: "\nThis is a\n# multiline system.\n", License: "MIT\n\nApache",
		Defaults: core.Sampling{Temperature: &warm, TopK: &top, Seed: new(int64(7))}, Stop: []string{"<|end|>", "User: "}, Window: 4096,
		Messages: []core.Turn{{Role: core.RoleUser, Content: "Why is the sky blue?"}, {Role: core.RoleAssistant, Content: "Because of\nthe air."}},
		Notes:    []string{"Line 10: the parameter num_gpu has no effect: how a model's file is loaded is for the server's settings."},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSmallForms(t *testing.T) {
	for text, want := range map[string]File{
		"FROM a b.gguf":                             {From: "a b.gguf"},
		"FROM \"a b.gguf\"":                         {From: "a b.gguf"},
		"FROM x\nSYSTEM":                            {From: "x"},
		"FROM x\nSYSTEM \"\"\"\"\"\"":               {From: "x"},
		"FROM x\nSYSTEM \"\"":                       {From: "x"},
		"FROM x\nSYSTEM \"\"\"a\"\"":                {}, // never closed
		"FROM x\nPARAMETER top_k -1":                {From: "x", Defaults: core.Sampling{TopK: new(int)}},
		"FROM x\nPARAMETER seed -1":                 {From: "x"},
		"FROM x\nPARAMETER stop \"\"\"a\nb\"\"\"\n": {From: "x", Stop: []string{"a\nb"}},
	} {
		got, err := Parse(text)
		if want.From == "" {
			if err == nil {
				t.Errorf("%q is read as %+v", text, got)
			}
			continue
		}
		want.FromLine = 1
		if err != nil || cmp.Diff(&want, got) != "" {
			t.Errorf("%q: %v %s", text, err, cmp.Diff(&want, got))
		}
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for text, words := range map[string]string{
		"":                                           "has no FROM",
		"# nothing":                                  "has no FROM",
		"FROM x\nFROM y":                             "Line 2 of the Modelfile: FROM stands on line 1 already",
		"FROM":                                       "Line 1 of the Modelfile: FROM has no value.",
		"FROM x\n\nADAPTER ./a.gguf":                 "Line 3 of the Modelfile: ADAPTER is not supported",
		"FROM x\nRENDERER qwen3":                     "Line 2 of the Modelfile: RENDERER is not supported",
		"FROM x\nREQUIRES 0.1":                       "Line 2 of the Modelfile: REQUIRES",
		"FROM x\nRUN make":                           `Line 2 of the Modelfile: there is no instruction "RUN"`,
		"FROM x\nSYSTEM \"\"\"a\nPARAMETER b":        "Line 2 of the Modelfile: the value begins with",
		"FROM x\nSYSTEM \"a\nb":                      "Line 2 of the Modelfile: the value begins with",
		"FROM x\nSYSTEM a\nSYSTEM b":                 "Line 3 of the Modelfile: SYSTEM stands on line 2",
		"FROM x\nPARAMETER":                          "Line 2 of the Modelfile: PARAMETER is written",
		"FROM x\nPARAMETER top_k":                    "Line 2 of the Modelfile: PARAMETER is written",
		"FROM x\nPARAMETER top_p 2":                  "Line 2 of the Modelfile: top_p is 2",
		"FROM x\nPARAMETER top_p NaN":                "Line 2 of the Modelfile: top_p is NaN",
		"FROM x\nPARAMETER top_k 4.5":                "Line 2 of the Modelfile: the value \"4.5\" of top_k",
		"FROM x\nPARAMETER temperature warm":         "Line 2 of the Modelfile: the value \"warm\" of temperature",
		"FROM x\nPARAMETER num_ctx 0":                "Line 2 of the Modelfile: num_ctx is 0",
		"FROM x\nPARAMETER num_predict 9":            "Line 2 of the Modelfile: num_predict",
		"FROM x\nPARAMETER mirostat 2":               "Line 2 of the Modelfile: there is no parameter \"mirostat\"",
		"FROM x\nPARAMETER colour red":               "Line 2 of the Modelfile: there is no parameter \"colour\"",
		"FROM x\nPARAMETER seed 1\nPARAMETER seed 2": "Line 3 of the Modelfile: PARAMETER seed stands on line 2",
		"FROM x\nMESSAGE tool x":                     "Line 2 of the Modelfile: MESSAGE is written",
		"FROM x\nMESSAGE user":                       "Line 2 of the Modelfile: MESSAGE user has no text",
		"FROM x\nLICENSE":                            "Line 2 of the Modelfile: LICENSE has no value",
		"FROM \xff":                                  "not UTF-8",
		"F\x00ROM x":                                 "zero byte",
		"FROM x" + strings.Repeat("\nMESSAGE user hi", MaxMessages+1): "more than 1024 messages",
		"FROM x" + strings.Repeat("\nPARAMETER stop hi", 17):          "Line 18 of the Modelfile: stop has 17",
		"FROM x\n#" + strings.Repeat("x", MaxBytes):                   "at most",
	} {
		_, err := Parse(text)
		if e := core.AsError(err); err == nil || e.Code != core.CodeInvalidRequest || !strings.Contains(e.Message, words) {
			t.Errorf("%.80q: %v, want %q", text, err, words)
		}
	}
}

func TestTextComesBack(t *testing.T) {
	warm := 0.7
	m := &core.Manifest{
		Name: "poet:v1", System: "  Be kind.\n", Template: "{{ messages }}\n\"\"\" x", License: "a \"b\"", Window: 64,
		Defaults: core.Sampling{Temperature: &warm, TopK: new(3), RepeatLastN: new(-1), Seed: new(int64(5))},
		Stop:     []string{"\n\nUser:", "\"", "<end>", " ", "\"\"\""}, Messages: []core.Turn{{Role: core.RoleUser, Content: "one\ntwo "}},
	}
	f := Of(m)
	got, err := Parse(f.Text())
	if err != nil {
		t.Fatalf("%v in\n%s", err, f.Text())
	}
	if d := cmp.Diff(f, got); d != "" {
		t.Errorf("%s\n%s", d, f.Text())
	}
	m.System, m.Template = "a\"\"\"\nb", "a\r\nb"
	text := Of(m).Text()
	if !strings.Contains(text, "# SYSTEM cannot be written") || !strings.Contains(text, "# TEMPLATE cannot be written") {
		t.Error(text)
	}
	if _, err := Parse(text); err != nil {
		t.Error(err)
	}
}

// FuzzParse holds any text to: an error with a line, or a file whose own text is read as the same file.
func FuzzParse(f *testing.F) {
	f.Add("FROM x\nSYSTEM \"\"\"a\nb\"\"\"\nPARAMETER stop \"x\"\nMESSAGE user hi")
	f.Add("from a\r\nTEMPLATE {{ x }}\nLICENSE y\nPARAMETER num_gpu 1")
	f.Fuzz(func(t *testing.T, text string) {
		one, err := Parse(text)
		if err != nil {
			if core.CodeOf(err) != core.CodeInvalidRequest {
				t.Fatal(err)
			}
			return
		}
		two, err := Parse(one.Text())
		if err != nil {
			t.Fatalf("%v in %q from %q", err, one.Text(), text)
		}
		if strings.Contains(one.Text(), "cannot be written") {
			return
		}
		one.Notes, two.Notes, one.FromLine, two.FromLine = nil, nil, 0, 0
		if d := cmp.Diff(one, two); d != "" {
			t.Fatalf("%s\n%q", d, one.Text())
		}
	})
}
