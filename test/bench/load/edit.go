package load

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// The texts of copy-editing. A small model repeats a text in earnest only when the prompt shows how: so the prompt holds
// it twice, edited alike, and begins the third copy.
const (
	tale = `The harbour of %[1]s lies at the mouth of a slow brown river. Every morning at five the fishing boats leave the ` +
		`north pier, and by noon most of them are back with herring, cod and a few baskets of crab. The market opens at one. ` +
		`Buyers from three towns walk along the tables, look at the gills and the eyes of the fish, and argue about the price ` +
		`until the bell rings at four. In winter the ice comes down the river and the boats of %[1]s stay in the dock. Then the ` +
		`men mend nets in the long shed behind the church, and the women who own the smokehouses cut alder wood for the spring. ` +
		`A narrow railway once carried barrels of salted fish from %[1]s to the city, but the bridge fell in the flood of the wet ` +
		`year and nobody built it again. Today the barrels go by road, two lorries each week, and the old station is a school ` +
		`with a green door. Children learn to swim before they learn to read. On the last Sunday of August the whole town rows ` +
		`out to the lighthouse, drinks cider on the rocks, and comes home by the light of small lamps that hang from every mast.`

	program = `package stock

// %[1]s is one line of the store's list.
type %[1]s struct {
	Name  string
	Count int
	Price int
}

// Store keeps items by name.
type Store struct {
	items map[string]%[1]s
}

// Add puts count pieces of an item into the store, and says whether it did.
func (s *Store) Add(name string, count, price int) bool {
	if count < 1 || price < 0 {
		return false
	}
	it := s.items[name]
	it.Name = name
	it.Count += count
	it.Price = price
	s.items[name] = it
	return true
}

// Total is the worth of everything in the store.
func (s *Store) Total() int {
	total := 0
	for _, it := range s.items {
		total += it.Count * it.Price
	}
	return total
}

// Empty says whether nothing is left in the store.
func (s *Store) Empty() bool {
	for _, it := range s.items {
		if it.Count > 0 {
			return false
		}
	}
	return true
}
`
)

// edit is one text to repeat with a name changed.
type edit struct {
	request

	want string // the text with the new name
}

func edits() []edit {
	show := func(text, intro string, names ...string) string {
		var sb strings.Builder
		for _, n := range names {
			fmt.Fprintf(&sb, intro+"\n"+text+"\n\n", n)
		}
		return sb.String()
	}
	const town, kind = "The town is called %[1]s:", "// The type is called %[1]s."
	return []edit{
		{
			request: request{
				raw:       show(tale, town, "Olmstead", "Hartwell") + "The town is called Brackley:\nThe harbour of Brackley",
				maxTokens: 230, mayEnd: true, stop: []string{"\n\n"},
			},
			want: fmt.Sprintf(tale, "Brackley"),
		},
		{
			request: request{
				raw:       show(program, kind, "Item", "Article") + "// The type is called Product.\npackage stock\n\n// Product is one line",
				maxTokens: 280, mayEnd: true, stop: []string{"// The type is called"},
			},
			want: fmt.Sprintf(program, "Product"),
		},
	}
}

// Edit asks for a text and for a program again with a name changed, one after the other, greedily. Its rate is that of
// one stream from the first token to the last, over both.
func (w *Worker) Edit(ctx context.Context) Summary {
	var rs []*result
	var wall, decoding time.Duration
	tokens, overlap := 0, 1.0
	for _, e := range edits() {
		r, took := w.one(ctx, e.request)
		rs, wall = append(rs, r), wall+took
		overlap = min(overlap, repeated(e.want, r.text))
		if r.err == nil && r.last.After(r.first) {
			tokens, decoding = tokens+r.outTokens-1, decoding+r.last.Sub(r.first)
		}
	}
	s := summarise("copy-editing", rs, wall)
	if s.Errors == 0 && decoding > 0 {
		s = s.rated([]float64{float64(tokens) / decoding.Seconds()})
	}
	s.Overlap = round(overlap)
	return s
}

// repeated is the share of the output's runs of four words that stand in the text.
func repeated(text, output string) float64 {
	const run = 4
	runs := func(s string) (out []string) {
		f := strings.Fields(s)
		for i := range len(f) - run + 1 {
			out = append(out, strings.Join(f[i:i+run], " "))
		}
		return out
	}
	stands := map[string]bool{}
	for _, r := range runs(text) {
		stands[r] = true
	}
	made, hits := runs(output), 0
	for _, r := range made {
		if stands[r] {
			hits++
		}
	}
	return float64(hits) / float64(max(len(made), 1))
}
