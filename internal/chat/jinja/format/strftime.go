package format

import (
	"strconv"
	"strings"
	"time"

	"ashatai/internal/chat/jinja/value"
)

// Strftime writes t by a format of C's strftime in the C locale. Unknown directives stay as they are.
func Strftime(b *value.Budget, t time.Time, format *value.Str) (*value.Str, error) {
	w := value.NewBuilder(b)
	at := 0
	for at < len(format.String()) {
		i := strings.IndexByte(format.String()[at:], '%')
		if i < 0 || at+i+1 >= len(format.String()) {
			break
		}
		w.AddStr(format.Cut(at, at+i))
		at += i + 1
		flag := byte(0)
		if strings.IndexByte("-_0^", format.String()[at]) >= 0 && at+1 < len(format.String()) {
			flag = format.String()[at]
			at++
		}
		width := 0
		for at+1 < len(format.String()) && format.String()[at] >= '0' && format.String()[at] <= '9' && width < 100 {
			width = width*10 + int(format.String()[at]-'0')
			at++
		}
		trusted := format.Trusted()
		if s, ok := directive(t, format.String()[at], flag, width); ok {
			w.Add(s, trusted)
		} else {
			w.Add("%"+format.String()[at:at+1], trusted)
		}
		at++
		if err := b.Step(1); err != nil {
			return nil, err
		}
	}
	w.AddStr(format.Cut(at, len(format.String())))
	return w.Str()
}

func directive(t time.Time, c, flag byte, wide int) (string, bool) {
	if layout := goLayout(c); layout != "" {
		s := t.Format(layout)
		if flag == '^' {
			s = strings.ToUpper(s)
		}
		return s, true
	}
	n, width, fill := numeric(t, c)
	if width == 0 {
		switch c {
		case '%':
			return "%", true
		case 'n':
			return "\n", true
		case 't':
			return "\t", true
		}
		return "", false
	}
	s := strconv.Itoa(n)
	width = max(width, wide)
	switch flag {
	case '-':
		return s, true
	case '_':
		fill = " "
	case '0':
		fill = "0"
	}
	return strings.Repeat(fill, max(width-len(s), 0)) + s, true
}

func goLayout(c byte) string {
	switch c {
	case 'a':
		return "Mon"
	case 'A':
		return "Monday"
	case 'b', 'h':
		return "Jan"
	case 'B':
		return "January"
	case 'c':
		return "Mon Jan _2 15:04:05 2006"
	case 'D', 'x':
		return "01/02/06"
	case 'F':
		return "2006-01-02"
	case 'p':
		return "PM"
	case 'r':
		return "03:04:05 PM"
	case 'R':
		return "15:04"
	case 'T', 'X':
		return "15:04:05"
	case 'z':
		return "-0700"
	case 'Z':
		return "MST"
	}
	return ""
}

// numeric is a directive's number with its usual width and filling.
func numeric(t time.Time, c byte) (n, width int, fill string) {
	year, week := t.ISOWeek()
	weekday := int(t.Weekday())
	switch c {
	case 'Y':
		return t.Year(), 1, "0"
	case 'y':
		return t.Year() % 100, 2, "0"
	case 'C':
		return t.Year() / 100, 2, "0"
	case 'm':
		return int(t.Month()), 2, "0"
	case 'd':
		return t.Day(), 2, "0"
	case 'e':
		return t.Day(), 2, " "
	case 'j':
		return t.YearDay(), 3, "0"
	case 'H':
		return t.Hour(), 2, "0"
	case 'k':
		return t.Hour(), 2, " "
	case 'I':
		return (t.Hour()+11)%12 + 1, 2, "0"
	case 'l':
		return (t.Hour()+11)%12 + 1, 2, " "
	case 'M':
		return t.Minute(), 2, "0"
	case 'S':
		return t.Second(), 2, "0"
	case 'f':
		return t.Nanosecond() / 1000, 6, "0"
	case 's':
		return int(t.Unix()), 1, "0"
	case 'u':
		return (weekday+6)%7 + 1, 1, "0"
	case 'w':
		return weekday, 1, "0"
	case 'G':
		return year, 1, "0"
	case 'V':
		return week, 2, "0"
	case 'U':
		return (t.YearDay() + 6 - weekday) / 7, 2, "0"
	case 'W':
		return (t.YearDay() + 6 - (weekday+6)%7) / 7, 2, "0"
	}
	return 0, 0, ""
}
