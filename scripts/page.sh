#!/usr/bin/env bash
# Builds the page in web/ into internal/web/dist, which the server embeds. Does nothing where that is done. Without npm it
# says so and leaves the page out: the server works without it.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$root/web
if ! command -v npm >/dev/null 2>&1; then
	say "npm is missing, so the server is built without its page (on Debian: apt-get install npm)"
	exit 0
fi

# deps installs what the build needs.
deps() {
	cmp -s "$dir/package-lock.json" "$dir/node_modules/.installed" && return 0
	say "installing what the page is built with"
	(cd "$dir" && twice npm ci --ignore-scripts --loglevel=error) >/dev/null
	cp "$dir/package-lock.json" "$dir/node_modules/.installed"
}

# stamp is a hash of everything that the page is made of.
stamp() {
	(cd "$dir" && find . -path ./node_modules -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
}

case ${1:-} in
deps) deps ;;
"")
	now=$(stamp)
	[ "$now" = "$(cat "$cache/page.stamp" 2>/dev/null)" ] && [ -e "$root/internal/web/dist/index.html" ] && exit 0
	deps
	say "building the page"
	(cd "$dir" && npx --no-install vite build --logLevel warn)
	mkdir -p "$cache"
	echo "$now" >"$cache/page.stamp"
	;;
*) die "page.sh builds the page; with the argument deps it only installs what that needs" ;;
esac
