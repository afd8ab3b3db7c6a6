package schema

// formats are the string formats that are enforced, as patterns of whole texts. They are the plain subset of each format
// that every reader agrees on: no leap second, no year zero, and a 29th of February in leap years only.
func formats() map[string]string {
	const (
		leap     = `(?:(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26]))|(?:0[48]|[2468][048]|[13579][26])00)-02-29`
		date     = `(?:(?:(?:[0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])))|` + leap + `)`
		hour     = `(?:[01][0-9]|2[0-3])`
		time     = hour + `:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-]` + hour + `:[0-5][0-9])`
		plain    = `[A-Za-z0-9](?:(?:[A-Za-z0-9]|-[A-Za-z0-9]){0,30})`
		host     = plain + `(?:\.` + plain + `){0,3}`
		atom     = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,16}"
		octet    = `(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
		ipv4     = octet + `(?:\.` + octet + `){3}`
		h16      = `[0-9a-fA-F]{1,4}`
		pchar    = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})`
		path     = `(?:/` + pchar + `*)*`
		tail     = `(?:\?(?:` + pchar + `|[/?])*)?(?:#(?:` + pchar + `|[/?])*)?`
		scheme   = `[A-Za-z][A-Za-z0-9+.-]{0,30}`
		uri      = scheme + `:(?://` + host + `(?::[0-9]{1,5})?` + path + `|` + pchar + `+` + path + `)` + tail
		ref      = `(?:` + uri + `|` + path + tail + `)`
		noSlash  = `(?:/(?:[^~/]|~[01])*)*`
		duration = `P(?:[0-9]{1,9}W|(?:[0-9]{1,9}Y(?:[0-9]{1,9}M(?:[0-9]{1,9}D)?)?|[0-9]{1,9}M(?:[0-9]{1,9}D)?|[0-9]{1,9}D)(?:` + clock + `)?|` + clock + `)`
	)
	return map[string]string{
		"date": date, "time": time, "date-time": date + `T` + time, "duration": duration,
		"email": atom + `(?:\.` + atom + `){0,2}@` + host, "hostname": host,
		"ipv4": ipv4,
		"ipv6": `(?:(?:` + h16 + `:){7}` + h16 + `|(?:` + h16 + `:){1,6}:` + h16 + `|::(?:` + h16 + `)?|` + h16 + `::)`,
		"uuid": `[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`,
		"uri":  uri, "uri-reference": ref, "json-pointer": noSlash,
	}
}

const clock = `T(?:[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?|[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9]{1,9}S)`

// numberFormats are the formats of OpenAPI for numbers, with the range of each.
func numberFormats() map[string]numbers {
	whole := func(low, high string) numbers {
		n := numbers{integer: true}
		l, _ := newDecimal(low)
		h, _ := newDecimal(high)
		n.low, n.high = &bound{decimal: l}, &bound{decimal: h}
		return n
	}
	return map[string]numbers{
		"int32": whole("-2147483648", "2147483647"), "int64": whole("-9223372036854775808", "9223372036854775807"),
		"uint32": whole("0", "4294967295"), "uint64": whole("0", "18446744073709551615"),
		"float": {}, "double": {}, "decimal": {},
	}
}
