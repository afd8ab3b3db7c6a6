// Package format turns values of a template into text by a description: Python's % operator, str.format, json.dumps and
// strftime. It refuses widths and precisions beyond the budget, and takes the time from its caller.
package format
