"""Measure how many events a second the team service takes: real servers, clients that post batches over HTTP.

    python -m scripts.measure_ingest                              # 200,000 events: 8 clients, 50 batches of 500 each
    python -m scripts.measure_ingest --servers 2
    python -m scripts.measure_ingest --database postgresql://USER@/NAME?host=DIR

Without --database PostgreSQL is started for it in a temporary folder (`make servers` installs it). Every client is a
person with a token; afterwards the number of events in the database is compared with what was answered. Clients,
servers and PostgreSQL share this machine's cores: the figures say what it does besides, and what the servers and
PostgreSQL took of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
from sqlalchemy import Engine, func, select, text

from codecompose_ls.service.team import database
from codecompose_ls.telemetry.wire import to_json
from tests.servers.postgres import MissingPostgres, postgres
from tests.sessions import session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--batches", type=int, default=50, help="of each client")
    parser.add_argument("--events", type=int, default=500, help="of each batch")
    parser.add_argument("--servers", type=int, default=1)
    args = parser.parse_args()
    with ExitStack() as stack:
        try:
            url = args.database or stack.enter_context(postgres())
        except MissingPostgres as error:
            sys.exit(str(error))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        batches = [_batches(client, args.batches, args.events) for client in range(args.clients)]
        servers = [_serve(stack, url, folder, args.clients) for _ in range(args.servers)]
        work = [(servers[client % len(servers)][0], client, batches[client]) for client in range(args.clients)]
        engine = database.connect(url)
        processes = [*(psutil.Process(process.pid) for _, process in servers), *_postgres(engine)]
        used, began = _cpu(processes), time.perf_counter()
        with ThreadPoolExecutor(args.clients) as pool:
            waits = [wait for one in pool.map(lambda job: _post(*job), work) for wait in one]
        seconds, used = time.perf_counter() - began, _cpu(processes) - used
        with database.reading(engine) as connection:
            stored = connection.scalars(select(func.count()).select_from(database.events)).one()
            version = ".".join(map(str, engine.dialect.server_version_info or ()))
        engine.dispose()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}; {engine.dialect.name} {version}")
    sent, waits = sum(len(batch) for one in batches for batch in one), sorted(waits)
    print(
        f"{sent:,} events answered for in {seconds:.1f} s: {sent / seconds:,.0f} a second; in the database: {stored:,}"
    )
    print(f"servers and database used {used:.1f} s of processor: {sent / used:,.0f} events for each second of it")
    print(
        f"{len(waits)} batches of {args.events} from {args.clients} clients to {args.servers} server(s): "
        f"p50 {statistics.median(waits) * 1000:,.0f} ms, p95 {waits[int(0.95 * len(waits))] * 1000:,.0f} ms"
    )


def _batches(client: int, number: int, size: int) -> list[Sequence[str]]:
    """Return batches as JSON lines, written beforehand: the clients share the processor with the server."""
    said = session(random.Random(client), suggestions=number * size // 4)[: number * size]
    lines = [json.dumps(to_json(event), separators=(",", ":")) for event in said]
    return [lines[start : start + size] for start in range(0, len(lines), size)]


def _token(client: int) -> str:
    return f"a-token-of-client-{client:06}"


def _cpu(processes: Sequence[psutil.Process]) -> float:
    """Return the seconds of processor that processes have used, with their children, alive or ended."""
    alive = [child for process in processes for child in process.children()]
    ended = sum(sum(process.cpu_times()[2:4]) for process in processes)
    return ended + sum(sum(process.cpu_times()[:2]) for process in (*processes, *alive))


def _postgres(engine: Engine) -> list[psutil.Process]:
    """Return the process that all of PostgreSQL's are children of, if it is on this machine."""
    if engine.dialect.name != "postgresql":
        return []
    with database.reading(engine) as connection:
        pid = connection.scalars(text("SELECT pg_backend_pid()")).one()
    postmaster = psutil.Process(pid).parent()
    return [postmaster] if postmaster else []


def _serve(stack: ExitStack, url: str, folder: Path, clients: int) -> tuple[str, subprocess.Popen[str]]:
    tokens = folder / "tokens"
    tokens.write_text("".join(f"{_token(client)} client{client}\n" for client in range(clients)))
    command = [sys.executable, "-m", "codecompose_ls", "serve", "--port", "0", "--token-file", str(tokens)]
    process = subprocess.Popen([*command, "--database", url], stdout=subprocess.PIPE, text=True)
    stack.callback(process.wait)
    stack.callback(process.send_signal, signal.SIGTERM)
    assert process.stdout is not None
    return process.stdout.readline().strip().rpartition(" on ")[2], process


def _post(address: str, client: int, batches: list[Sequence[str]]) -> list[float]:
    """Post one batch after the other; returns how long each took, in seconds."""
    waits = []
    headers = {"Authorization": f"Bearer {_token(client)}", "Content-Type": "application/json"}
    with httpx.Client(base_url=address, headers=headers, timeout=120, trust_env=False) as http:
        for batch in batches:
            began = time.perf_counter()
            answer = http.post("/v1/events", content=f'{{"events":[{",".join(batch)}]}}')
            waits.append(time.perf_counter() - began)
            if answer.status_code != 200 or answer.json()["stored"] != len(batch):
                raise SystemExit(f"a batch was not taken: {answer.status_code} {answer.text}")
    return waits


if __name__ == "__main__":
    main()
