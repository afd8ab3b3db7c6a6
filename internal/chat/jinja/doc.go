// Package jinja renders chat templates: the Jinja dialect that transformers gives to models, as Python's jinja2 renders it
// in an immutable sandbox, with every piece of the result marked as the template's own or as data. It refuses to go on
// when a budget of size, steps, depth, memory or time is used up, and it has no clock, no files and no other templates.
package jinja
