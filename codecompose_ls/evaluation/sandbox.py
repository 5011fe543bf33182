"""Run Python that a model wrote, in a process that may compute and nothing else.

The process has a group and a session of its own, no environment, no input, an empty working directory, an isolated
interpreter (`-I -S -B`: none of our code is importable) and hard limits on processor time, memory, files, processes and
core dumps; its group is killed when the time is up. An audit hook refuses to write files, start programs and open
sockets, with a clear error: that stops accidents on every system. What stops malice is the operating system: the
limits, an unprivileged user for root and, on Linux, a namespace without a network. What the user can read, it can read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import IO

from codecompose_ls.errors import InputError

#: The exit status of a program that ran to its end: `sys.exit(0)` halfway is no success.
PASSED = 42
#: The user that code runs as when we are root, whom no limit on processes holds.
NOBODY = 65534

_LAUNCHER = """
import os, resource, sys
program = sys.stdin.buffer.read()
cpu_s, memory_bytes, passed = map(int, sys.argv[1:4])
resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
try:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
except ValueError:
    pass  # macOS knows this limit and refuses it
for limit, most in (("FSIZE", 0), ("CORE", 0), ("NOFILE", 32), ("NPROC", 0)):
    resource.setrlimit(getattr(resource, "RLIMIT_" + limit), (most, most))

HARMLESS = {"os.listdir", "os.scandir", "os.walk", "os.fwalk"}
REFUSED = ("os.", "shutil.", "subprocess.", "socket.", "ctypes.", "pty.", "fcntl.", "_posixsubprocess.")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

def refuse(event, details):
    writes = event == "open" and isinstance(details[2], int) and details[2] & WRITES
    if writes or event.startswith(REFUSED) and event not in HARMLESS:
        raise PermissionError(f"{'writing files' if writes else event} is not allowed in the sandbox")

sys.addaudithook(refuse)
try:
    exec(compile(program, "<program>", "exec"), {"__name__": "program"})
except BaseException as error:
    os.write(2, f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:1000])
    os._exit(1)
os._exit(passed)
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use: seconds by the clock, seconds of processor time, bytes of address space."""

    wall_s: float = 10.0
    cpu_s: int = 5
    memory_bytes: int = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a program ended; `reason` is empty for one that ran to its end, else one line."""

    passed: bool
    reason: str = ""


class Sandbox:
    """Runs programs one at a time, as strictly as this machine allows; raises `InputError` where no program runs."""

    def __init__(self, limits: Limits | None = None) -> None:
        if os.name != "posix":
            raise InputError("generated code runs on Linux and macOS alone: leave --run-code away")
        self._limits = limits or Limits()
        users = [NOBODY, None] if os.geteuid() == 0 else [None]
        for self._user, self._prefix in product(users, [*_without_network(), []]):
            verdict = self.run("pass")
            if verdict.passed:
                break
        else:
            raise InputError(f"no sandbox for generated code here ({verdict.reason}): leave --run-code away")
        #: What the operating system does not enforce here, one line each.
        self.gaps = tuple(self._gaps())

    def run(self, program: str) -> Verdict:
        """Run a program's text to its end, or to the end of its time."""
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as text:
            text.write(program.encode("utf-8", "replace"))
            text.seek(0)
            try:
                process = self._start(text, Path(folder))
            except OSError as error:
                return Verdict(False, f"not started: {error.strerror}")
            with process:
                return self._verdict(process)

    def _gaps(self) -> Iterator[str]:
        if not self._prefix:
            yield "the network is not cut (no user namespaces here): an audit hook alone refuses sockets"
        if os.geteuid() == 0 and self._user is None:
            yield "it runs as root (nobody cannot run this Python): an audit hook alone refuses further processes"

    def _start(self, program: IO[bytes], folder: Path) -> subprocess.Popen[bytes]:
        limits = self._limits
        python = [os.path.realpath(sys.executable), "-I", "-S", "-B", "-c", _LAUNCHER]
        arguments = [str(limits.cpu_s), str(limits.memory_bytes), str(PASSED)]
        return subprocess.Popen(
            [*self._prefix, *python, *arguments],
            cwd=folder,
            env={},
            stdin=program,
            stdout=subprocess.DEVNULL,
            # Nobody reads it before the end, so a program that writes more than a pipe holds waits until it is killed.
            stderr=subprocess.PIPE,
            start_new_session=True,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
        )

    def _verdict(self, process: subprocess.Popen[bytes]) -> Verdict:
        try:
            status = process.wait(self._limits.wall_s)
        except subprocess.TimeoutExpired:
            return Verdict(False, "timed out")
        finally:
            # The group outlives its leader when a program has started others.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        if status == PASSED:
            return Verdict(True)
        if status == -signal.SIGXCPU:
            return Verdict(False, "timed out")
        return Verdict(False, _last_line(process) or (f"killed by {_name(-status)}" if status < 0 else "exited early"))


def _without_network() -> list[list[str]]:
    """Return the commands that start another one without a network."""
    unshare = shutil.which("unshare") if sys.platform == "linux" else None
    return [[unshare, "--user", "--net", "--"]] if unshare else []


def _last_line(process: subprocess.Popen[bytes]) -> str:
    """Return the start of the last line that an ended program wrote."""
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    text = (process.stderr.read(65_536) or b"").decode("utf-8", "replace").strip()
    return text.splitlines()[-1][:200] if text else ""


def _name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
