"""What the environment says of proxies and certificates is kept to, or refused in one line."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from codecompose_ls.connection import connection
from codecompose_ls.errors import InputError

AWAY = "https://gpu.example.invalid/v1"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("HTTPS_PROXY", "gopher://me:hunter2@proxy", "the proxy in the environment cannot be used: HTTPS_PROXY, "),
        ("NO_PROXY", "[::", "the proxy in the environment cannot be used: HTTPS_PROXY, "),
        (
            "SSL_CERT_FILE",
            "/nowhere.pem",
            "SSL_CERT_FILE or SSL_CERT_DIR names no certificates that can be read (",
        ),
        ("SSL_CERT_FILE", __file__, "SSL_CERT_FILE or SSL_CERT_DIR names no certificates that can be read ("),
    ],
)
def test_what_cannot_be_kept_to_is_one_line(name: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "NO_PROXY":
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as caught:
        connection(httpx.AsyncClient, AWAY)
    assert str(caught.value).startswith(line)
    assert "hunter2" not in str(caught.value) and "\n" not in str(caught.value)
    # On this machine there is no proxy, and without encryption there are no certificates.
    connection(httpx.AsyncClient, "http://127.0.0.1:8000/v1")


def test_socks_says_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    try:
        connection(httpx.AsyncClient, AWAY)
    except InputError as error:
        assert str(error) == "the proxy in the environment speaks SOCKS: pip install 'httpx[socks]'"


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate with openssl")
async def test_a_certificate_of_ones_own_is_good_on_this_machine_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate))
    subprocess.run((*command, *names), check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 Said\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "localhost", 0, ssl=context) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        async with connection(httpx.AsyncClient, url) as stranger:
            with pytest.raises(httpx.ConnectError, match="certificate"):
                await stranger.get(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with connection(httpx.AsyncClient, url) as known:
            assert (await known.get(url)).status_code == 204
