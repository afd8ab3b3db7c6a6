package tokenizer

import (
	"strings"
	"testing"
	"time"
)

// passages are what the speed is measured on: prose, code, and other alphabets.
func passages() map[string]string {
	prose := "The quick brown fox jumps over the lazy dog's back, while 1,234 people (mostly tourists) didn't notice. It's a story about unbelievably small differences; nobody told us why. "
	code := "func (s *server) handle(w http.ResponseWriter, r *http.Request) {\n\tif err := s.decode(r.Body, &req); err != nil {\n\t\treturn // 400\n\t}\n}\n"
	other := "Быстрая лиса прыгает через ленивую собаку. 机器学习模型把文字变成数字。 Les élèves français étaient déjà là. すべての人間は、生まれながらにして自由である。 "
	out := map[string]string{}
	for name, s := range map[string]string{"prose": prose, "code": code, "other": other} {
		var b strings.Builder
		for i := 0; b.Len() < 256<<10; i++ {
			b.WriteString(s)
			b.WriteString(strings.Fields(prose)[i*7%20]) // so that no two passages are cut alike
		}
		out[name] = b.String()
	}
	return out
}

// BenchmarkAgainstTheOracle reports how long ours takes for a text as a part of what the oracle takes in the same run.
func BenchmarkAgainstTheOracle(b *testing.B) {
	for _, name := range published() {
		path := vocabulary(b, name)
		tok := load(b, path)
		for kind, text := range passages() {
			b.Run(name+"/"+kind, func(b *testing.B) {
				theirs := ask(b, question{File: path, Timed: []timed{{Text: text, Rounds: 1}, {Text: text, Rounds: 6}}}).Timed[1]
				b.SetBytes(int64(len(text)))
				began := time.Now()
				for b.Loop() {
					if _, err := tok.Encode(Part{Text: text}); err != nil {
						b.Fatal(err)
					}
				}
				ours := float64(time.Since(began)) / float64(b.N)
				b.ReportMetric(ours/theirs, "of-oracle")
				b.ReportMetric(theirs/1e6/float64(len(text))*(1<<20), "oracle-ms/MiB")
			})
		}
	}
}
