package pattern

import "unicode/utf8"

const (
	jointExpr = `[^\r\n\p{L}\p{N}]?`
	upperExpr = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
	lowerExpr = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
	shortExpr = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
)

// alternatives are the parts of expressions that have a scanner. Published tokenizers put these together: GPT-2 and its
// kin, GPT-4, GPT-4o, Llama 3, Qwen, Mistral, DeepSeek, and the few single ones that replace and split.
func alternatives() map[string]matcher {
	m := map[string]matcher{
		shortExpr:                              func(s string) int { return contraction(s, true) },
		`'(?i:[sdmt]|ll|ve|re)`:                func(s string) int { return contraction(s, true) },
		`'(?:[sdmt]|ll|ve|re)`:                 func(s string) int { return contraction(s, false) },
		` ?\p{L}+`:                             func(s string) int { return spaced(s, letter, none) },
		` ?\p{N}+`:                             func(s string) int { return spaced(s, number, none) },
		` ?[^\s\p{L}\p{N}]+`:                   func(s string) int { return spaced(s, other, none) },
		` ?[^\s\p{L}\p{N}]+[\r\n]*`:            func(s string) int { return spaced(s, other, newline) },
		` ?[^\s\p{L}\p{N}]++[\r\n]*`:           func(s string) int { return spaced(s, other, newline) },
		` ?[^\s\p{L}\p{N}]+[\r\n/]*`:           func(s string) int { return spaced(s, other, newlineOrSlash) },
		` ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*`:       func(s string) int { return spaced(s, otherThanMark, newline) },
		` ?[\p{P}\p{S}]+[\r\n]*`:               func(s string) int { return spaced(s, sign, newline) },
		jointExpr + `\p{L}+`:                   func(s string) int { return led(s, joint, runOf(letter)) },
		jointExpr + `+\p{L}+`:                  func(s string) int { return led(s, joint, runOf(letter)) },
		jointExpr + `[\p{L}\p{M}]+`:            func(s string) int { return led(s, joint, runOf(letterOrMark)) },
		`[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+`: func(s string) int { return led(s, jointNoSign, runOf(letterOrMark)) },
		`\p{N}{1,3}`:                           func(s string) int { return upTo(s, number, 3) },
		`\p{N}`:                                func(s string) int { return one(s, number) },
		`\p{N}+`:                               func(s string) int { return run(s, number) },
		`\d`:                                   func(s string) int { return one(s, digit) },
		`\d+`:                                  func(s string) int { return run(s, digit) },
		`\d{1,3}`:                              func(s string) int { return upTo(s, digit, 3) },
		`[0-9]`:                                func(s string) int { return one(s, asciiDigit) },
		`[0-9][0-9][0-9]`:                      func(s string) int { return exactly(s, asciiDigit, 3) },
		`\s+(?!\S)`:                            trailing,
		`\s+`:                                  func(s string) int { return run(s, space) },
		`\s`:                                   func(s string) int { return one(s, space) },
		`\s*[\r\n]+`:                           lines,
		`\s*[\r\n]`:                            lines,
		`[\r\n]`:                               func(s string) int { return one(s, newline) },
		`[\r\n]+`:                              func(s string) int { return run(s, newline) },
		` {2,}`:                                twoSpaces,
		` +`:                                   func(s string) int { return run(s, blank) },
		`[一-龥぀-ゟ゠-ヿ]+`:                         func(s string) int { return run(s, han) },
		`[一-龥\u3040-ゟ゠-ヿ]+`:                    func(s string) int { return run(s, han) },
		"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+": signedWord,
	}
	for _, c := range []string{"s", "t", "re", "ve", "m", "ll", "d"} {
		m["'"+c] = func(s string) int { return fixed(s, "'"+c) }
	}
	for suffix, short := range map[string]bool{"": false, shortExpr + "?": true} {
		m[jointExpr+upperExpr+"*"+lowerExpr+"+"+suffix] = func(s string) int { return cased(s, lowerWord, short) }
		m[jointExpr+upperExpr+"+"+lowerExpr+"*"+suffix] = func(s string) int { return cased(s, upperWord, short) }
	}
	return m
}

func blank(r rune) bool { return r == ' ' }

func fixed(s, want string) int {
	if len(s) >= len(want) && s[:len(want)] == want {
		return len(want)
	}
	return 0
}

// contraction matches an apostrophe and the end of an English short form. With fold, case does not matter, and the long s
// folds to s as Unicode has it.
func contraction(s string, fold bool) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	a := s[1]
	if fold {
		if fixed(s[1:], "ſ") > 0 {
			return 1 + len("ſ")
		}
		a |= 0x20
	}
	switch a {
	case 's', 'd', 'm', 't':
		return 2
	}
	if len(s) < 3 {
		return 0
	}
	b := s[2]
	if fold {
		b |= 0x20
	}
	if a == 'l' && b == 'l' || (a == 'v' || a == 'r') && b == 'e' {
		return 3
	}
	return 0
}

// spaced is " ?c+tail*".
func spaced(s string, c, tail class) int {
	i := 0
	if s != "" && s[0] == ' ' {
		i = 1
	}
	n := run(s[i:], c)
	if n == 0 {
		return 0
	}
	i += n
	return i + run(s[i:], tail)
}

func runOf(c class) matcher { return func(s string) int { return run(s, c) } }

// led is a core that one character of lead may precede; the core alone where the two together do not match.
func led(s string, lead class, core matcher) int {
	if n := one(s, lead); n > 0 {
		if m := core(s[n:]); m > 0 {
			return n + m
		}
	}
	return core(s)
}

func cased(s string, core matcher, short bool) int {
	n := led(s, joint, core)
	if n > 0 && short {
		n += contraction(s[n:], true)
	}
	return n
}

// lowerWord is upper*lower+. The two classes share letters without case, so what the first part took may have to be given
// back, as far as the last character that the second part can take.
func lowerWord(s string) int {
	i, back := 0, 0
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !upper(r) {
			break
		}
		i += n
		if lower(r) {
			back = i
		}
	}
	if n := run(s[i:], lower); n > 0 {
		return i + n
	}
	return back
}

// upperWord is upper+lower*.
func upperWord(s string) int {
	n := run(s, upper)
	if n == 0 {
		return 0
	}
	return n + run(s[n:], lower)
}

func upTo(s string, c class, most int) int {
	i := 0
	for range most {
		n := one(s[i:], c)
		if n == 0 {
			break
		}
		i += n
	}
	return i
}

func exactly(s string, c class, count int) int {
	i := 0
	for range count {
		n := one(s[i:], c)
		if n == 0 {
			return 0
		}
		i += n
	}
	return i
}

// trailing is \s+(?!\S): white space, without the last character of it where something follows.
func trailing(s string) int {
	n := run(s, space)
	if n == 0 || n == len(s) {
		return n
	}
	_, last := utf8.DecodeLastRuneInString(s[:n])
	return n - last
}

// lines is \s*[\r\n]+: white space up to its last line end.
func lines(s string) int {
	end := 0
	for i := 0; i < len(s); {
		n := one(s[i:], space)
		if n == 0 {
			break
		}
		i += n
		if s[i-1] == '\n' || s[i-1] == '\r' {
			end = i
		}
	}
	return end
}

func twoSpaces(s string) int {
	if n := run(s, blank); n >= 2 {
		return n
	}
	return 0
}

// signedWord is a sign of ASCII with letters of ASCII behind it.
func signedWord(s string) int {
	if s == "" || s[0] <= ' ' || s[0] >= 0x7f || letter(rune(s[0])) || number(rune(s[0])) {
		return 0
	}
	n := run(s[1:], func(r rune) bool { return r < utf8.RuneSelf && letter(r) })
	if n == 0 {
		return 0
	}
	return 1 + n
}
