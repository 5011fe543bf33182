"""Measure the assistants with each kind of chat backend, at the editor's end of LSP, and tell what came back.

    python -m scripts.measure_chat --times 20 --only serve,openai,ollama,local,llamacpp

Models are made on the spot, tiny and random, and two servers say what this script has them say: what is measured is all
that lies between a key and a model, and what is judged is the plumbing, not the words. Prints two tables in Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from pygls.exceptions import JsonRpcException

from codecompose_ls.assistants.outcome import ANALYSIS
from codecompose_ls.prompt.templates import QWEN25_CODER
from tests.http_server import HANG, HttpServer, Step, said, stream, talk
from tests.lsp.editor import Editor, editor
from tests.models import tiny_model
from tests.repositories import Git
from tests.servers.llamacpp import idle_slot, llamacpp
from tests.torch_models import CHATML, torch_model
from tests.unit.cli.test_serve import serve

#: Tokens that the made models take, and that a talk may have: answers to the end would take long.
CONTEXT, TALK = 4096, 1536
#: Polls, a millisecond apart, in which no thread of a process runs: it is at rest.
AT_REST = 5
CODE = "def double(number: int) -> int:\n    return number + number  # TODO: multiply\n"
BETTER = "def double(number: int) -> int:\n    return 2 * number\n"
DOCUMENTED = CODE.replace("    return", '    """Return twice a number."""\n    return')
TESTS = "from double import double\n\n\ndef test_it_doubles():\n    assert double(2) == 4\n"
#: What a good model would answer to those that edit.
ANSWERS = {"add-docstrings": DOCUMENTED, "implement-tests": TESTS}


@dataclass(frozen=True)
class Backend:
    """One kind of backend. `free` waits until it does nothing more; it is told the language server's process."""

    title: str
    settings: Mapping[str, Any]
    #: Returns when that was (perf_counter).
    free: Callable[[psutil.Process], Awaitable[float]]
    env: Mapping[str, str] = field(default_factory=dict)
    #: Tells a scripted server what to say next; None is an answer without an end.
    script: Callable[[str | None], None] = lambda _: None


@dataclass(frozen=True)
class Round:
    """Milliseconds: to the first text; from the cancel to the answered request, and to a server that is free."""

    first: float
    answered: float
    freed: float


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="requests that are cancelled, of each backend (20)")
    parser.add_argument("--only", default=",".join(KINDS), help=f"some of {','.join(KINDS)}")
    args = parser.parse_args()
    times: list[str] = []
    results: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {f"CODECOMPOSE_{name}": f"{folder}/{name}" for name in ("DATA", "CACHE", "CONFIG")}
        for kind in args.only.split(","):
            place = Path(folder, kind)
            place.mkdir()
            async with KINDS[kind](place) as backend:
                print(f"{backend.title} ...", file=sys.stderr)
                times.append(_row(backend.title, await measured(backend, args.times, place)))
                results[backend.title] = await came_back(backend, place)
        results["none"] = await came_back(Backend("", {}, _at_rest), Path(folder))
    print(
        f"{_machine()}\n\nn = {args.times}, after one request that starts and connects; milliseconds, median and max\n"
    )
    print("| backend | the first request's first text | first text | cancel to answered | cancel to server free |")
    print("\n".join(("| --- | --- | --- | --- | --- |", *times, "")))
    print(f"| assistant | {' | '.join(results)} |\n|{' --- |' * (1 + len(results))}")
    for name in next(iter(results.values())):
        print(f"| {name} | {' | '.join(row[name] for row in results.values())} |")


async def measured(backend: Backend, times: int, folder: Path) -> list[Round]:
    """Ask, and cancel at the first text, once to warm up and then so often; what ends too early does not count."""
    rounds: list[Round] = []
    session = editor(_project(folder / "measured"), env=dict(backend.env), **backend.settings)
    async with session:
        uri = await session.open(folder / "measured" / "double.py", CODE, "python")
        for number in range(4 * times):
            if len(rounds) > times:
                return rounds
            one = await _cancelled(backend, session, uri, f"ask{number}")
            rounds += [one] if one else []
    raise SystemExit(f"{backend.title}: the model ends its answers before they can be cancelled; try another seed")


async def _cancelled(backend: Backend, session: Editor, uri: str, name: str) -> Round | None:
    """Return the times of one request; None where the answer had ended before it was cancelled."""
    backend.script(None)
    process = psutil.Process(session.process.pid)
    began = time.perf_counter()
    asked = asyncio.ensure_future(session.assist("review", uri, 40, id=name, partialResultToken=name))
    heard = asyncio.ensure_future(session.wait_for("$/progress", lambda told: told["token"] == name, timeout=600))
    await asyncio.wait({asked, heard}, return_when=asyncio.FIRST_COMPLETED)
    first = time.perf_counter()
    if not heard.done():
        heard.cancel()
        await asked  # and say what went wrong
    cancelled = time.perf_counter()
    session.cancel(name)
    answered, freed = await asyncio.gather(_ended(asked), backend.free(process))
    session.notifications.clear()
    if answered is None:
        return None
    return Round(*(1000 * seconds for seconds in (first - began, answered - cancelled, freed - cancelled)))


async def _ended(asked: Awaitable[Any]) -> float | None:
    try:
        await asked
    except JsonRpcException as error:
        if error.code != -32800:
            raise
        return time.perf_counter()
    return None


async def came_back(backend: Backend, folder: Path) -> dict[str, str]:
    """Ask every built-in assistant where all of them make sense; return in a few words what came of each."""
    said: dict[str, str] = {}
    project = _project(folder / "came-back")
    session = editor(project, env=dict(backend.env), **backend.settings)
    async with session:
        uri = await session.open(project / "double.py", CODE, "python")
        listing = {"command": "codecompose.assistants", "arguments": [{"uri": uri}]}
        place = {"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 10}}
        diagnostics = [{"range": place, "message": "this is slow", "source": "checker"}]
        for one in await session.raw_request("workspace/executeCommand", listing):
            answer = f"```python\n{ANSWERS.get(one['name'], BETTER)}```\n" if one["kind"] == "edit" else "It doubles."
            backend.script(answer)
            try:
                result = await session.assist(one["name"], uri, CODE.index("return"), diagnostics=diagnostics)
                said[one["name"]] = _outcome(result, one["kind"])
            except JsonRpcException as error:
                said[one["name"]] = "not without a chat model" if one["disabled"] else f"error: {error.message}"
    return said


def _outcome(result: Mapping[str, Any], kind: str) -> str:
    by = " by analysis" if result["madeBy"] == ANALYSIS else ""
    if kind == "show":
        return f"answered{by} ({len(result['markdown'])} characters)"
    return f"edit offered{by}" if result["applied"] else f"edit refused{by}: {result['refusal']}"


def _project(folder: Path) -> Path:
    """A repository where every assistant has something to do."""
    git = Git(folder)
    git.commit({"double.py": BETTER})
    git.write({"double.py": CODE})
    return folder


# The kinds of backends.


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[Backend]:
    """This project's own service, a process of its own, on torch."""
    with serve("--engine", "torch", "--model", str(_chat_model(folder))) as (process, lines):
        address, token = lines[0].rpartition(" ")[2], lines[1].rpartition(" ")[2]
        settings = _settings("codecompose", f"{address}/v1", "chatty")
        serving = psutil.Process(process.pid)
        env = {"CODECOMPOSE_API_KEY": token}
        yield Backend("codecompose-ls serve, tiny Qwen2 on torch", settings, lambda _: _at_rest(serving), env=env)


@asynccontextmanager
async def openai(folder: Path) -> AsyncIterator[Backend]:
    """OpenAI's protocol: a server that says what it is told to."""
    async with HttpServer() as server:
        settings = _settings("openai", f"{server.url}/v1", "scripted")
        endless = stream(said("It goes on"), HANG)
        yield Backend("OpenAI's protocol, scripted", settings, _left(server), script=_script(server, talk, endless))


@asynccontextmanager
async def ollama(folder: Path) -> AsyncIterator[Backend]:
    """Ollama's protocol: a server that says what it is told to."""

    def lines(*texts: str, last: Step | None = None) -> list[Step]:
        said = [json.dumps({"message": {"content": text}, "done": False}).encode() + b"\n" for text in texts]
        return stream(*said, last or b'{"done": true, "done_reason": "stop"}\n', kind="application/x-ndjson")

    async with HttpServer() as server:
        settings, endless = _settings("ollama", server.url, "scripted"), lines("It goes on", last=HANG)
        yield Backend("Ollama's protocol, scripted", settings, _left(server), script=_script(server, lines, endless))


@asynccontextmanager
async def local(folder: Path) -> AsyncIterator[Backend]:
    """A model on disk, in the language server's child."""

    async def free(process: psutil.Process) -> float:
        (child,) = (one for one in process.children() if any("chat_process" in word for word in one.cmdline()))
        return await _at_rest(child)

    settings = {"chat": "local", "chatModel": str(_chat_model(folder)), "chatContext": TALK}
    yield Backend("on this machine, tiny Qwen2 on torch", settings, free)


@asynccontextmanager
async def llama_cpp(folder: Path) -> AsyncIterator[Backend]:
    """llama.cpp's own server."""
    from tests.servers.gguf_model import write_gguf

    path = write_gguf(tiny_model(folder / "model", context=CONTEXT), folder / "tiny.gguf")
    with llamacpp(path, context=CONTEXT) as address:
        settings = _settings("llamacpp", address, "base")
        yield Backend("llama.cpp's server, tiny model of ours", settings, lambda _: _after(idle_slot(address)))


KINDS: dict[str, Callable[[Path], AbstractAsyncContextManager[Backend]]] = {
    "serve": service,
    "openai": openai,
    "ollama": ollama,
    "local": local,
    "llamacpp": llama_cpp,
}


def _settings(protocol: str, url: str, model: str) -> dict[str, Any]:
    return {"chat": protocol, "chatUrl": url, "chatModel": model, "chatContext": TALK}


def _chat_model(folder: Path) -> Path:
    path = folder / "chatty"
    return torch_model(path, "qwen2", template=QWEN25_CODER, chat_template=CHATML, max_position_embeddings=CONTEXT)


def _script(
    server: HttpServer, answer: Callable[[str], list[Step]], endless: Sequence[Step]
) -> Callable[[str | None], None]:
    def script(text: str | None) -> None:
        server.answers.clear()
        server.left.clear()
        server.answers.append(endless if text is None else answer(text))

    return script


def _left(server: HttpServer) -> Callable[[psutil.Process], Awaitable[float]]:
    return lambda _: _after(server.left.wait())


async def _after(work: Awaitable[object]) -> float:
    await work
    return time.perf_counter()


async def _at_rest(process: psutil.Process) -> float:
    """Return when the last thread of a process ceased to run, once none has run for some polls (Linux)."""
    polls, began = 0, time.perf_counter()
    while polls < AT_REST:
        began = began if polls else time.perf_counter()
        stats = [path.read_text() for path in Path(f"/proc/{process.pid}/task").glob("*/stat")]
        polls = 0 if any(stat.rpartition(")")[2].split()[0] == "R" for stat in stats) else polls + 1
        await asyncio.sleep(0.001)
    return began


def _row(title: str, rounds: Sequence[Round]) -> str:
    first, rest = rounds[0], rounds[1:]
    columns = [[getattr(one, name) for one in rest] for name in ("first", "answered", "freed")]
    cells = (f"{statistics.median(column):,.0f}, {max(column):,.0f}" for column in columns)
    return f"| {title} | {first.first:,.0f} | {' | '.join(cells)} |"


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores ({platform.machine()}), load {load:.1f}, Python {platform.python_version()}"


if __name__ == "__main__":
    asyncio.run(main())
