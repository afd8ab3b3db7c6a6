"""Takes llguidance's shared library out of its wheel: unpack.py WHEEL DESTINATION.

The library is a Python extension that also exports a C interface. It refers to Python's own symbols, which a process
without Python does not have, so they are marked as weak: the loader then lets them be absent. Nothing else is changed.
The C interface calls none of them.
"""

import pathlib
import struct
import sys
import zipfile

SHT_DYNSYM, STB_GLOBAL, STB_WEAK = 11, 1, 2


def weaken(image: bytearray) -> int:
    """Marks the undefined Python symbols of a 64-bit little-endian ELF file as weak and returns how many there were."""
    if image[:6] != b"\x7fELF\x02\x01":
        raise SystemExit("the library is not a 64-bit little-endian ELF file")
    (sections,) = struct.unpack_from("<Q", image, 40)
    size, count = struct.unpack_from("<HH", image, 58)
    done = 0
    for section in range(sections, sections + size * count, size):
        (kind,) = struct.unpack_from("<I", image, section + 4)
        if kind != SHT_DYNSYM:
            continue
        start, length, link = struct.unpack_from("<QQI", image, section + 24)
        (names,) = struct.unpack_from("<Q", image, sections + link * size + 24)
        for symbol in range(start, start + length, 24):
            name, info, _, defined_in = struct.unpack_from("<IBBH", image, symbol)
            python = image.startswith((b"Py", b"_Py"), names + name)
            if defined_in == 0 and info >> 4 == STB_GLOBAL and python:
                image[symbol + 4] = STB_WEAK << 4 | info & 15
                done += 1
    return done


def main(wheel: str, destination: str) -> None:
    with zipfile.ZipFile(wheel) as z:
        image = bytearray(z.read("llguidance/_lib.abi3.so"))
        (licence,) = [n for n in z.namelist() if n.endswith(".dist-info/licenses/LICENSE")]
        text = z.read(licence)
    if not weaken(image):
        raise SystemExit("the library refers to no Python symbol; it is not the one that was pinned")
    folder = pathlib.Path(destination)
    (folder / "libllguidance.so").write_bytes(image)
    (folder / "LICENSE").write_bytes(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
