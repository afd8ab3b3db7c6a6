package tokenizer

import (
	"math/rand/v2"
	"strings"
	"unicode"
)

// fixed are texts that tokenizers have got wrong.
func fixed() []string {
	return []string{
		"", " ", "  ", "\n", "\r\n", "\t\t", " \n ", "\n\n\n  x", "   \n\n\n", "a", " a", "a ", "  a  b  ", "\u00a0x\u00a0", "\u3000漢字\u3000",
		"Hello, world!", "I'm you're he's WE'LL they'D i'ſ I'Ve 'tis o'clock don''t 'S 'ſ 's't", "it's\u2019s", "'", "''''", "'re'RE'rE",
		"123", "1234567", "12 345 6789", "3.14159", "١٢٣٤٥", "½⅓²³", "x²+y³=z⁴", "0x1F", "1,234,567.89", "Ⅷ Ⅻ ⅷ", "၁၂၃၄၅",
		"café", "cafe\u0301", "e\u0301\u0302\u0303", "\u0301", "a\u0301\u0301", "Å\u030a", "ﬁ ﬂ ﬀ ﬆ", "ß ẞ", "İstanbul ıI iİ", "ΑΒΓ Σς ΣΑΣ", "ǅ ǈ ǋ",
		"你好，世界", "こんにちは世界", "안녕하세요", "각\u1100\u1161\u11a8", "สวัสดีชาวโลก", "नमस्ते दुनिया", "مرحبا بالعالم", "שלום עולם", "Привет, мир",
		"𠀀𠀁", "𝐇𝐞𝐥𝐥𝐨 𝟘𝟙", "ℌ ℕ ℝ", "①②③", "㍿ ㌔", "😀", "👨‍👩‍👧‍👦", "🇩🇪🇫🇷", "👍🏽", "❤️", "a😀b", "\u200d\u200c", "\ufeffx", "\ufffd", "\ufffe\uffff",
		"\x00", "a\x00b", "\x01\x02\x7f\u0085", "\u2028\u2029", "\u200b", "\u00ad", "\u180e", "\u1680", "\ue000\uf8ff", "\U000e0001", "\U0010ffff",
		"Ġ", "▁", "▁▁ ▁", "##ing", "# # ##", "<0x41>", "<0x0A>", "<unk>", "[UNK]", "[CLS] [SEP]", "[cls]", "< s >", "<s></s>", "<|endoftext|>", "<|im_start|>user",
		"</think>", "<bos><eos>", "<start_of_turn>", "<|begin_of_text|>", "<|endoftext|", "<|<|endoftext|>|>", "a<s>b</s> c", " <s> ", "<pad><mask>[MASK]",
		"foo.bar(baz)[0] -> {x: 1};", "if (a&&b||!c) { return; } // ok\n\t\tfoo();\n", "http://example.com/a/b?c=d&e=f#g", "a/b/c\n/d\r\n/", "...///\n\n", "!?!?\n/x",
		"camelCaseHTTPRequestID", "XMLHttpRequest", "ALLCAPS lower MiXeD", "ʰaʰAʰ", "aʰ ǅabc ǅABC", "Aa\u0301A\u0301a", "\u0301A \u0301a", "-\u0301A", "ªº", "ไAไa", "漢A漢a漢",
		"_under_score_", "a-b–c—d", "$100 €200 ¥300", "50% off!!!", "~`@#$%^&*()_+-={}|[]\\:\";'<>?,./", "“quoted” ‘single’", "…", "¿Qué?", "«où»",
		" \u00a0 \u2003x", "x \u00a0\n", "\u2003\u2003", "\n \n \n", "a\n b\n  c\n   d", "\r\r\n\n", " \r", "\x0b\x0c", "\x1c\x1d\x1e\x1f", "end   ", "   .", "   ,x", "  'll",
		strings.Repeat("a", 99), strings.Repeat("a", 100), strings.Repeat("a", 101), strings.Repeat("é", 100), strings.Repeat("é", 101), strings.Repeat("ab", 300),
		strings.Repeat(" ", 100), strings.Repeat("\n", 100), strings.Repeat(" \n", 50), strings.Repeat("=", 200), strings.Repeat("漢", 150), strings.Repeat("1", 50),
		"a" + strings.Repeat("\u0301", 60) + "b", "a" + strings.Repeat("\u0323\u0301", 40), strings.Repeat("\u0315\u0300\u05ae\u0300", 20), "각" + strings.Repeat("\u0301", 35),
		strings.Repeat("😀", 40), strings.Repeat("Ab1 ", 100), "x" + strings.Repeat("\t", 70) + "y", strings.Repeat("-", 77) + ">", strings.Repeat("'s", 30), strings.Repeat("ʰA", 40),
	}
}

// scripts are alphabets that texts are made of at random.
func scripts() []string {
	return []string{
		"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", " \t\n\r\u00a0\u3000\u2003", ".,;:!?'\"-_/\\()[]{}<>@#$%^&*+=|~`",
		"äöüßéèêçñøåæœÄÖÜÉÈ", "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГД", "αβγδεζηθικλμνξοπρστυφχψωΑΒΓΣ", "漢字中文日本語的一是不了人我在有他这", "ひらがなカタカナー々", "한국어조선말글",
		"אבגדהוזחטיכלמנסעפצקרשת", "ابتثجحخدذرزسشصضطظعغفقكلمنهوي", "कखगघङचछजझञािीुू्", "กขคงจฉชซญดตถทธน่้๊", "😀😁😂🤣👍🏽👨👩❤️‍♂🇩🇪",
		"\u0300\u0301\u0302\u0303\u0308\u0323\u0327\u0328", "½¼²³¹①②Ⅳ०१२٣٤", "†‡•…‰′″‹›€™∑∏√∞≈≠≤≥", "ʰʲˢˣªºⁿǅǈ", "\x00\x01\x1f\x7f\u0080\u009f\u200b\u200d\ufeff\ufffd",
	}
}

// nasty makes texts: the fixed ones, and mixtures from a seed with the tokens of the vocabulary under test in them.
func nasty(seed uint64, count int, tokens []string) []string {
	r := rand.New(rand.NewPCG(seed, 7))
	out := fixed()
	all := scripts()
	words := strings.Fields("the quick Brown fox can't JUMP over it's lazy dog's tail don't we'll I'd you've running unbelievable antidisestablishmentarianism Straße naïve")
	for len(out) < count {
		var b strings.Builder
		for range 1 + r.IntN(14) {
			switch r.IntN(9) {
			case 0:
				b.WriteString(words[r.IntN(len(words))])
			case 1:
				b.WriteString(strings.Repeat(" ", 1+r.IntN(4)))
			case 2:
				b.WriteString(tokens[r.IntN(len(tokens))])
			case 3:
				b.WriteRune(anyRune(r))
			case 4:
				s := []rune(all[r.IntN(len(all))])
				b.WriteString(strings.Repeat(string(s[r.IntN(len(s))]), 1+r.IntN(9)))
			default:
				s := []rune(all[r.IntN(len(all))])
				for range 1 + r.IntN(8) {
					b.WriteRune(s[r.IntN(len(s))])
				}
			}
		}
		out = append(out, b.String())
	}
	return out
}

// anyRune picks a character that all versions of Unicode in question know alike.
func anyRune(r *rand.Rand) rune {
	for {
		c := rune(r.IntN(0x30000))
		if agreed(c) {
			return c
		}
	}
}

// agreed says whether a character has had its properties for long enough that the libraries compared agree on it. The
// oracle's tables are of Unicode 8 for BERT and of 16 elsewhere, Go's of 15; seen for each character one by one, they
// differ on those that came or changed between, and on no other.
func agreed(c rune) bool {
	if c >= 0x10000 {
		return c >= 0x1d400 && c <= 0x1d6a5 || c >= 0x1f300 && c <= 0x1f64f || c >= 0x20000 && c <= 0x2a6d6
	}
	return unicode.In(c, unicode.C, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z) && !unicode.Is(unicode.Cs, c) && !unicode.Is(younger(), c)
}

// younger are characters of the first plane that those tables have otherwise.
func younger() *unicode.RangeTable {
	t := &unicode.RangeTable{}
	for _, r := range [][2]uint16{
		{0x61d, 0x61d},
		{0x7fd, 0x7fd},
		{0x890, 0x891},
		{0x897, 0x89f},
		{0x8ca, 0x8e2},
		{0x9fd, 0x9fe},
		{0xa76, 0xa76},
		{0xafa, 0xaff},
		{0xb55, 0xb55},
		{0xc04, 0xc04},
		{0xc3c, 0xc3c},
		{0xc77, 0xc77},
		{0xc84, 0xc84},
		{0xd00, 0xd00},
		{0xd3b, 0xd3c},
		{0xd81, 0xd81},
		{0xeba, 0xeba},
		{0xece, 0xece},
		{0x166d, 0x166d},
		{0x1734, 0x1734},
		{0x180f, 0x180f},
		{0x1885, 0x1886},
		{0x1abf, 0x1ace},
		{0x1b7d, 0x1b7e},
		{0x1c89, 0x1c8a},
		{0x1df6, 0x1dfb},
		{0x2e43, 0x2e5d},
		{0xa7cb, 0xa7dc},
		{0xa82c, 0xa82c},
		{0xa8c5, 0xa8c5},
		{0xa8ff, 0xa8ff},
		{0xa9bd, 0xa9bd},
	} {
		t.R16 = append(t.R16, unicode.Range16{Lo: r[0], Hi: r[1], Stride: 1})
	}
	return t
}
