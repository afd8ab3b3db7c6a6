package project

import (
	"slices"
	"strings"
)

// language says how a language's files are named.
type language struct {
	names []string // as callers spell it, lower case; the first is the usual one
	title string
	main  []string // extensions of source files
	more  []string // of the other files that belong to such a project
}

func languages() []language {
	return []language{
		{[]string{"csharp", "c#", "cs", "dotnet"}, "C#", []string{"cs"}, []string{"csproj", "sln", "json", "xml", "md"}},
		{[]string{"python", "py", "python3"}, "Python", []string{"py"}, []string{"toml", "txt", "cfg", "json", "md"}},
		{[]string{"javascript", "js", "node", "nodejs"}, "JavaScript", []string{"js", "mjs"}, []string{"json", "html", "css", "md"}},
		{[]string{"typescript", "ts"}, "TypeScript", []string{"ts", "tsx"}, []string{"json", "html", "css", "md"}},
		{[]string{"go", "golang"}, "Go", []string{"go"}, []string{"mod", "yaml", "md"}},
		{[]string{"java"}, "Java", []string{"java"}, []string{"xml", "gradle", "properties", "md"}},
		{[]string{"kotlin", "kt"}, "Kotlin", []string{"kt"}, []string{"kts", "xml", "properties", "md"}},
		{[]string{"rust", "rs"}, "Rust", []string{"rs"}, []string{"toml", "md"}},
		{[]string{"c"}, "C", []string{"c"}, []string{"h", "txt", "md"}},
		{[]string{"cpp", "c++", "cxx"}, "C++", []string{"cpp"}, []string{"hpp", "h", "txt", "md"}},
		{[]string{"ruby", "rb"}, "Ruby", []string{"rb"}, []string{"yml", "md"}},
		{[]string{"php"}, "PHP", []string{"php"}, []string{"json", "html", "css", "md"}},
		{[]string{"swift"}, "Swift", []string{"swift"}, []string{"json", "md"}},
		{[]string{"html", "web"}, "HTML", []string{"html"}, []string{"css", "js", "json", "md"}},
		{[]string{"sql"}, "SQL", []string{"sql"}, []string{"md"}},
		{[]string{"shell", "bash", "sh"}, "shell script", []string{"sh"}, []string{"md"}},
		{[]string{"powershell", "ps1"}, "PowerShell", []string{"ps1"}, []string{"psm1", "psd1", "md"}},
	}
}

// languageOf finds a language by any of its names. For others it answers one that takes every allowed extension.
func languageOf(name string) (language, bool) {
	folded := strings.ToLower(name)
	for _, l := range languages() {
		if slices.Contains(l.names, folded) {
			return l, true
		}
	}
	return language{title: name, main: extensions()}, false
}

// extensions lists every extension that a file may have, sorted.
func extensions() []string {
	all := []string{"yaml", "yml", "ini", "config", "vb", "fs", "lua", "scss", "svg", "bat", "vue", "jsx"}
	for _, l := range languages() {
		all = append(append(all, l.main...), l.more...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
