// Command cover reads what `go test -cover` printed and prints the coverage of each package as a table. It exits with 1
// where a package is below the minimum. It runs no test itself.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

func main() {
	minimum := flag.Float64("min", 80, "lowest coverage of a package, in per cent")
	skip := flag.String("skip", "", "regular expression of packages that are shown and not held to the minimum")
	module := flag.String("module", "ashatai/", "prefix that is left out of the table")
	flag.Parse()
	low, err := run(os.Stdout, flag.Args(), *minimum, *skip, *module)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cover:", err)
		os.Exit(2)
	}
	if len(low) > 0 {
		fmt.Fprintf(os.Stderr, "cover: below %g %%: %s\n", *minimum, strings.Join(low, ", "))
		os.Exit(1)
	}
}

// run reads the files and writes the table; it returns the packages that are below the minimum.
func run(w io.Writer, files []string, minimum float64, skip, module string) ([]string, error) {
	exempt, err := regexp.Compile(skip)
	if err != nil {
		return nil, fmt.Errorf("-skip: %w", err)
	}
	found := map[string]float64{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		err = read(f, found)
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no coverage line in %s", strings.Join(files, ", "))
	}
	return table(w, found, minimum, skip, exempt, module)
}

// line matches both forms: a tested package, and one without tests, which go test prints with an empty first column.
var line = regexp.MustCompile(`^(?:ok)?\s*(\S+)\s.*coverage: (\d+\.\d)% of statements`)

func read(r io.Reader, found map[string]float64) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		m := line.FindStringSubmatch(sc.Text())
		if m == nil {
			continue
		}
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return err
		}
		found[m[1]] = max(found[m[1]], v)
	}
	return sc.Err()
}

func table(w io.Writer, found map[string]float64, minimum float64, skip string, exempt *regexp.Regexp, module string) ([]string, error) {
	var names, low []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	rows := []string{"package\tcoverage\t\n"}
	for _, name := range names {
		short := strings.TrimPrefix(name, module)
		note := ""
		switch {
		case skip != "" && exempt.MatchString(name):
			note = "not held to the minimum"
		case found[name] < minimum:
			note = "TOO LOW"
			low = append(low, short)
		}
		rows = append(rows, fmt.Sprintf("%s\t%.1f %%\t%s\n", short, found[name], note))
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(tw, strings.Join(rows, "")); err != nil {
		return nil, err
	}
	return low, tw.Flush()
}
