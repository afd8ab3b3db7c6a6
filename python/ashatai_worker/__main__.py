"""The program: python -I … BUNDLE --build=… and so on, started by ashatai-worker inside its sandbox, with the channel as
descriptor 3. What is forbidden for good is forbidden here, before a library is loaded."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import socket
import sys

from .serve import Options, Server
from .wire import EXIT_USAGE, Channel

PR_SET_PDEATHSIG = 1
SIGKILL = 9
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_TSYNC = 1
SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}


class _Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def seal(code: bytes) -> str:
    """Sets the system call filter that the worker program made, on all threads. Returns why it could not be."""
    if not code:
        return "the worker program gave none"
    number = SYS_SECCOMP.get(os.uname().machine)
    if number is None:
        return f"there is no filter for {os.uname().machine}"
    libc = ctypes.CDLL(None, use_errno=True)
    # The one that the server set is lost when a program starts another.
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    if libc.syscall(number, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, ctypes.byref(program)) != 0:
        return os.strerror(ctypes.get_errno())
    return ""


def main() -> int:
    """Runs a worker to its end."""
    parser = argparse.ArgumentParser(add_help=False)
    for name in ("--build", "--tier", "--lock", "--filter", "--descriptor"):
        parser.add_argument(name, default="")
    parser.add_argument("--heartbeat-ms", type=float, default=1000)
    try:
        args = parser.parse_args()
        descriptor = json.loads(args.descriptor)
        channel = Channel(socket.socket(fileno=3))
    except (SystemExit, OSError, ValueError) as e:
        print(f"this program is started by the server and not by hand: {e}", file=sys.stderr)
        return EXIT_USAGE
    missing = seal(bytes.fromhex(args.filter))
    tier = args.tier + (f" (no seccomp: {missing})" if missing else "+seccomp")
    return Server(channel, Options(args.build, tier, args.lock, args.heartbeat_ms / 1000, descriptor)).run()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Threads of the libraries may still compute; the process ends without them.
    os._exit(code)
