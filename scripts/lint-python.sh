#!/usr/bin/env bash
# Checks all sources in Python: ruff, and mypy with all that it can be strict about, by the settings in python/pyproject.toml. Both
# are pinned by test/requirements.txt.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_environment
cd "$root"
mapfile -t files < <(find internal native python test -name '*.py' -not -path '*/node_modules/*' | LC_ALL=C sort)
"$root/.venv/bin/ruff" check --quiet --config python/pyproject.toml "${files[@]}"

types() { "$root/.venv/bin/mypy" --config-file python/pyproject.toml --cache-dir "$cache/mypy" --no-error-summary "$@"; }

types -p ashatai_worker
# The others are programs by themselves, some of one name. Those in test/conformance drive clients as their users do, also with what the
# clients' types forbid, and take answers of many kinds without asking for the kind: their types are not checked.
printf '%s\n' "${files[@]%/*}" | uniq | while read -r dir; do
	case $dir in
	python/* | test/conformance) ;;
	*) types "$dir"/*.py ;;
	esac
done
