#!/usr/bin/env bash
# Prints the path of a Chromium to test with, or nothing.
for c in "${ASHATAI_TEST_CHROMIUM:-}" chromium chromium-browser google-chrome; do
	[ -n "$c" ] && command -v "$c" && exit 0
done
exit 0
