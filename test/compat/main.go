// Command compat writes docs/compatibility.md out of the server's routes.
package main

import (
	"fmt"
	"os"

	"ashatai/internal/api/compat"
	"ashatai/internal/node"
)

const page = "docs/compatibility.md"

func main() {
	if err := os.WriteFile(page, []byte(compat.Markdown(node.Dialects(""))), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}
