"""What a model wrote may compute, and nothing else: not for ever, not in our memory, on our disk or on our network."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from codecompose_ls.evaluation.sandbox import Limits, Sandbox

MEMORY = 256 * 1024 * 1024


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(Limits(wall_s=60, cpu_s=20, memory_bytes=MEMORY))


def reason(sandbox: Sandbox, program: str) -> str:
    verdict = sandbox.run(program)
    assert not verdict.passed
    return verdict.reason


def test_a_program_that_reaches_its_end_passes(sandbox: Sandbox) -> None:
    assert sandbox.run("import math\nassert math.gcd(12, 18) == 6\nprint('done')").passed


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("assert 1 + 1 == 3, 'wrong sum'", "AssertionError: wrong sum"),
        ("def f(:", "SyntaxError"),
        ("raise KeyError('a\\nb')", "KeyError"),
        ("def f(): f()\nf()", "RecursionError"),
        ("'\\ud800'.encode()", "UnicodeEncodeError"),
    ],
)
def test_an_error_is_told_in_one_line(sandbox: Sandbox, program: str, expected: str) -> None:
    told = reason(sandbox, program)
    assert told.startswith(expected) and "\n" not in told and len(told) <= 200


@pytest.mark.parametrize("program", ["import sys\nsys.exit(0)", "raise SystemExit", "import os\nos._exit(0)"])
def test_leaving_early_is_no_success(sandbox: Sandbox, program: str) -> None:
    assert reason(sandbox, f"{program}\nassert False") in ("SystemExit: 0", "SystemExit:", "exited early")


def test_an_endless_loop_ends_with_its_processor_time() -> None:
    assert reason(Sandbox(Limits(wall_s=60, cpu_s=1)), "while True: pass") == "timed out"


def test_a_sleeper_ends_with_the_clock() -> None:
    assert reason(Sandbox(Limits(wall_s=2, cpu_s=20)), "import time\ntime.sleep(3600)") == "timed out"


def test_endless_output_is_never_collected() -> None:
    flood = "import sys\nwhile True: sys.stderr.write('x' * 1000)"
    assert reason(Sandbox(Limits(wall_s=2, cpu_s=20)), flood) == "timed out"


def test_a_memory_hog_gets_no_memory(sandbox: Sandbox) -> None:
    assert reason(sandbox, f"bytearray({MEMORY})").startswith("MemoryError")


@pytest.mark.parametrize(
    "program",
    [
        "import os\nwhile True: os.fork()",
        "import subprocess\nsubprocess.run(['sleep', '1'])",
        "import os\nos.system('true')",
        "import multiprocessing\nmultiprocessing.Process(target=print).start()",
    ],
)
def test_no_further_process_starts(sandbox: Sandbox, program: str) -> None:
    assert "is not allowed in the sandbox" in reason(sandbox, program)


def test_the_system_itself_refuses_further_processes(sandbox: Sandbox) -> None:
    if any("processes" in gap for gap in sandbox.gaps):
        pytest.skip(str(sandbox.gaps))
    # The system counts threads as processes, and the hook lets them by.
    assert "can't start new thread" in reason(sandbox, "import threading\nthreading.Thread(target=print).start()")


def test_files_stay_as_they_are(sandbox: Sandbox, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    kept = tmp_path / "kept.txt"
    kept.write_text("kept")
    kept.chmod(0o666)
    new = str(tmp_path / "new.txt")
    for program in (
        f"open({str(kept)!r}, 'w')",
        f"open({new!r}, 'a').write('x')",
        f"import os\nos.open({new!r}, os.O_CREAT | os.O_WRONLY)",
        f"import os\nos.remove({str(kept)!r})",
        f"import os\nos.rename({str(kept)!r}, {new!r})",
        f"import shutil\nshutil.rmtree({str(tmp_path)!r})",
        f"import pathlib\npathlib.Path({new!r}).mkdir()",
    ):
        assert reason(sandbox, program).startswith(("PermissionError", "FileNotFoundError"))
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"] and kept.read_text() == "kept"


def test_the_network_is_refused(sandbox: Sandbox) -> None:
    told = reason(sandbox, "import socket\nsocket.create_connection(('127.0.0.1', 80))")
    assert "is not allowed in the sandbox" in told


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_there_is_no_network_to_reach(sandbox: Sandbox) -> None:
    if any("network" in gap for gap in sandbox.gaps):
        pytest.skip(str(sandbox.gaps))
    devices = "[line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line]"
    assert sandbox.run(f"assert {devices} == ['lo'], {devices}").passed


def test_nothing_of_ours_is_within_reach(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "secret")
    assert sandbox.run("import os\nassert 'API_KEY' not in os.environ and 'HOME' not in os.environ").passed
    for module in ("codecompose_ls", "pytest", "numpy"):
        assert "ModuleNotFoundError" in reason(sandbox, f"import {module}")
    assert "EOFError" in reason(sandbox, "input()")


def test_any_text_can_be_a_program(sandbox: Sandbox) -> None:
    assert sandbox.run("'\ud800'").passed
    assert "null bytes" in reason(sandbox, "'\0'")
    assert reason(sandbox, "#" * 200_000 + "\n1 / 0").startswith("ZeroDivisionError")
