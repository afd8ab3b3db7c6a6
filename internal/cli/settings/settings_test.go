package settings_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/cli"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	const yaml = "logs:\n  level: debug\npull:\n  hub_token: whisper\nhttps: {port: 5}\nmodels:\n  small:\n    system: |\n      Be kind.\n      Be brief.\n"
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(home, "wrong.yaml")
	if err := os.WriteFile(wrong, []byte("logs: {levl: debug}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"show":                                  "0: home " + home + "|logs.level|debug|ashatai.yaml, line 2|(hidden)|server.addr|127.0.0.1:7077|default",
		"show --changed":                        "0: models.small.system|Be kind. Be brief.|file",
		"show --set logs.level=warn logs.level": "0: warn|flag: the command line",
		"show engine.batch":                     "0: env: the environment variable ASHATAI__ENGINE__BATCH",
		"show --json logs fleet":                `0: "key": "logs.level"|"source": "file"|"reload": true|fleet.keep_alive`,
		"show servr":                            "3: the nearest setting is server",
		"show --set x":                          "2: --set",
		"check":                                 "0: note: |https.port|5 values set",
		"check --config " + wrong:               "2: wrong.yaml, line 1: there is no setting \"logs.levl\"; the nearest one is logs.level",
		"check --set logs.level=loud":           "2: the command line: the setting logs.level cannot be this",
		"schema":                                `0: "title": "ASHATAI settings"`,
		"":                                      "0: Look at the settings",
		"nothing":                               "2: nothing",
	} {
		var out, errs bytes.Buffer
		args := append([]string{"config"}, strings.Fields(line)...)
		if line != "" && line != "schema" && line != "nothing" {
			args = append(args, "--home", home)
		}
		code := cli.Main(t.Context(), args, cli.Deps{Stdout: &out, Stderr: &errs, Env: []string{"ASHATAI__ENGINE__BATCH=64"}})
		text := out.String() + errs.String()
		status, parts, _ := strings.Cut(want, ": ")
		for part := range strings.SplitSeq(parts, "|") {
			if status != string(rune('0'+code)) || !strings.Contains(text, part) {
				t.Errorf("config %s: %d, %q lacks %q", line, code, text, part)
			}
		}
		if strings.Contains(text, "whisper") {
			t.Errorf("config %s shows a secret", line)
		}
	}
}
