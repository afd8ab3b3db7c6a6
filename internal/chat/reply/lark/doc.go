// Package lark writes grammars of answers in llguidance's variant of Lark: reasoning, then text or calls whose arguments follow
// schemas. It knows no family of models; package reply tells it each one's marks. It checks no schema.
package lark
