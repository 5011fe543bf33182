"""Where a service listens."""

from __future__ import annotations

import socket

import pytest

from codecompose_ls.service.listener import listen


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1")]
)
def test_an_address_may_be_spelled_as_in_a_url(host: str, address: str) -> None:
    if ":" in address and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with listen(host, 0) as listener:
        assert listener.getsockname()[0] == address
