package normal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// bertSpec are the settings of BERT's normalizer. Accents are stripped where lower case is made, unless said otherwise.
type bertSpec struct {
	CleanText    bool  `json:"clean_text"`
	Chinese      bool  `json:"handle_chinese_chars"`
	StripAccents *bool `json:"strip_accents"`
	Lowercase    bool  `json:"lowercase"`
}

func bert(p bertSpec) (Func, error) {
	accents := p.Lowercase
	if p.StripAccents != nil {
		accents = *p.StripAccents
	}
	return func(s string) string {
		if p.CleanText || p.Chinese {
			s = clean(s, p.CleanText, p.Chinese)
		}
		if accents {
			s = without(form(norm.NFD, s), unicode.Mn)
		}
		if p.Lowercase {
			s = lowercase(s)
		}
		return s
	}, nil
}

// clean drops what does not print, makes all white space a space, and puts spaces around Chinese characters.
func clean(s string, text, chinese bool) string {
	var b strings.Builder
	b.Grow(len(s) + 8)
	for _, r := range s {
		switch {
		case text && unprintable(r):
		case text && (r == '\t' || r == '\n' || r == '\r' || unicode.IsSpace(r)):
			b.WriteByte(' ')
		case chinese && ideograph(r):
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f
	}
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co)
}

func ideograph(r rune) bool {
	return r >= 0x4e00 && r <= 0x9fff || r >= 0x3400 && r <= 0x4dbf || r >= 0x20000 && r <= 0x2a6df ||
		r >= 0x2a700 && r <= 0x2b73f || r >= 0x2b740 && r <= 0x2b81f || r >= 0x2b920 && r <= 0x2ceaf ||
		r >= 0xf900 && r <= 0xfaff || r >= 0x2f800 && r <= 0x2fa1f
}
