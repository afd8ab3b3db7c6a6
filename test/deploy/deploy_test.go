// Package deploy checks the files in deploy/ as far as that goes without running them.
package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestDashboardNamesRealMetrics: every metric of the dashboard is one that the server has, with a suffix that its kind gives.
func TestDashboardNamesRealMetrics(t *testing.T) {
	var board struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal([]byte(read(t, "deploy/grafana.json")), &board); err != nil {
		t.Fatal(err)
	}
	var real []string
	for line := range strings.Lines(read(t, "internal/obs/testdata/metrics.golden")) {
		name, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
		if kind == "histogram" {
			real = append(real, name+"_bucket", name+"_sum", name+"_count")
		} else {
			real = append(real, name)
		}
	}
	seen := 0
	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			names := regexp.MustCompile(`\bashatai_\w+`).FindAllString(target.Expr, -1)
			if len(names) == 0 || strings.Count(target.Expr, "(") != strings.Count(target.Expr, ")") {
				t.Errorf("%s: %s", p.Title, target.Expr)
			}
			for _, n := range names {
				if seen++; !slices.Contains(real, n) {
					t.Errorf("%s: there is no metric %s", p.Title, n)
				}
			}
		}
	}
	if seen < 15 || len(real) < 30 {
		t.Errorf("only %d of %d names were compared", seen, len(real))
	}
}

func TestCompose(t *testing.T) {
	var c struct {
		Services map[string]struct {
			Image       string            `yaml:"image"`
			Build       map[string]string `yaml:"build"`
			Environment map[string]string `yaml:"environment"`
			Ports       []string          `yaml:"ports"`
			Volumes     []string          `yaml:"volumes"`
			DependsOn   map[string]any    `yaml:"depends_on"`
			ReadOnly    bool              `yaml:"read_only"`
			Tmpfs       []string          `yaml:"tmpfs"`
			CapDrop     []string          `yaml:"cap_drop"`
			SecurityOpt []string          `yaml:"security_opt"`
			Grace       string            `yaml:"stop_grace_period"`
			Restart     string            `yaml:"restart"`
			Healthcheck map[string]any    `yaml:"healthcheck"`
		} `yaml:"services"`
		Volumes map[string]any `yaml:"volumes"`
	}
	d := yaml.NewDecoder(strings.NewReader(read(t, "deploy/compose.yaml")))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	read(t, c.Services["ashatai"].Build["dockerfile"])
	for name, s := range c.Services {
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			if _, ok := c.Volumes[volume]; !ok {
				t.Errorf("%s has the volume %s, which is nowhere", name, volume)
			}
		}
		for other := range s.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s needs %s, which is nowhere", name, other)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s stands open at %s", name, p)
			}
		}
	}
}

// TestContainerfile: every line begins with an instruction, and what is copied is what make builds.
func TestContainerfile(t *testing.T) {
	text := strings.ReplaceAll(read(t, "deploy/Containerfile"), "\\\n", " ")
	known := []string{"FROM", "RUN", "COPY", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
	var seen []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if !slices.Contains(known, word) || rest == "" {
			t.Errorf("%s", line)
		}
		if word == "ENTRYPOINT" || word == "CMD" {
			var list []string
			if err := json.Unmarshal([]byte(rest), &list); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		seen = append(seen, word)
	}
	if seen[0] != "FROM" || !slices.Contains(seen, "USER") || !strings.Contains(text, "bin/ashatai-worker") {
		t.Errorf("%v", seen)
	}
}

// TestUnit asks systemd itself, on a copy whose program exists.
func TestUnit(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	text := read(t, "deploy/ashatai.service")
	file := t.TempDir() + "/ashatai.service"
	if err := os.WriteFile(file, []byte(strings.Replace(text, "/opt/ashatai/bin/ashatai ", "/bin/true ", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), verify, "verify", "--man=no", "--recursive-errors=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), file) {
		t.Errorf("%v: %s", err, out)
	}
	for _, want := range []string{"NoNewPrivileges=yes", "ProtectSystem=strict", "DynamicUser=yes", "ExecReload=/bin/kill -HUP"} {
		if !strings.Contains(text, want) {
			t.Errorf("the unit lacks %s", want)
		}
	}
}
