package project

import (
	"encoding/json"
	"strings"
)

// file is one file as the model wrote it.
type file struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}

// maxParsed bounds how many files of an answer are looked at; a Spec allows no more than this to be kept.
const maxParsed = 4 * maxFiles

// parse reads the files of an answer {"files":[{"path":…,"content":…},…]}. It takes what comes before a cut or a fault
// and reports whether the answer was whole. Text around the object is overlooked, since a model without the grammar may
// fence its JSON.
func parse(text string) (files []file, whole bool) {
	start := strings.IndexByte(text, '{')
	if start < 0 {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(text[start:]))
	if !delim(dec, '{') {
		return nil, false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return files, false
		}
		if key != "files" {
			var other json.RawMessage
			if dec.Decode(&other) != nil {
				return files, false
			}
			continue
		}
		if !delim(dec, '[') {
			return files, false
		}
		for dec.More() && len(files) < maxParsed {
			var f file
			if dec.Decode(&f) != nil {
				return files, false
			}
			files = append(files, f)
		}
		if !delim(dec, ']') {
			return files, false
		}
	}
	return files, delim(dec, '}')
}

func delim(dec *json.Decoder, want json.Delim) bool {
	tok, err := dec.Token()
	return err == nil && tok == want
}
