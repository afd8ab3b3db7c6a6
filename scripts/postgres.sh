#!/usr/bin/env bash
# Prints the folder of the PostgreSQL programs to test with (initdb and postgres; Debian keeps them off the PATH), or nothing.
for dir in "${ASHATAI_TEST_POSTGRES:-}" $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) "$(dirname "$(command -v initdb 2>/dev/null)")"; do
	[ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && printf '%s\n' "$dir" && exit 0
done
exit 0
