package jsontext

import "testing"

func TestPythonArguments(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{}`: "", `[`: "", `{"a": "é\"\n", "b": [1, 2.50, true, null, {"y": false, "x": {}}], "c": []}`: `a="é\"\n", b=[1, 2.50, True, None, {"x": {}, "y": False}], c=[]`,
		`{"a": 1, "b"`: "a=1",
	} {
		if got := PythonArguments(in); got != want {
			t.Errorf("%s becomes %s, not %s", in, got, want)
		}
	}
}
