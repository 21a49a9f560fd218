"""Workers of radresp's own: on this machine alone, and deaf to whoever has no certificate.

dask unpickles what reaches it, so whoever may speak to a worker or its scheduler may run anything
as the user. On a machine that others use, loopback is open to all of them.
"""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from radresp.pipeline.engine import Engine, _own_workers


def answer(address: str, *, with_tls: bool) -> bytes:
    """What a stranger without a certificate is told at an address."""
    place = urlsplit(address)
    line = socket.create_connection((place.hostname, place.port), 10)
    with line:
        if not with_tls:
            line.sendall(bytes(8) + b"GET / HTTP/1.1\r\n\r\n" + bytes(64))
            return line.recv(1024)
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with trusting.wrap_socket(line) as talk:
            talk.sendall(bytes(64))
            return talk.recv(1024)


def test_scheduler_and_workers_speak_to_nobody_without_their_certificate(tmp_path: Path) -> None:
    with _own_workers(Engine(processes=1), 1, tmp_path) as (client, dashboard):
        client.wait_for_workers(1)
        known = client.scheduler_info()
        addresses = [known["address"], *known["workers"]]
        addresses += [worker["nanny"] for worker in known["workers"].values()]
        assert len(addresses) == 3
        for address in addresses:
            assert urlsplit(address).scheme == "tls"
            assert urlsplit(address).hostname == "127.0.0.1"
            with pytest.raises((ssl.SSLError, ConnectionError)):
                answer(address, with_tls=True)
            try:
                told = answer(address, with_tls=False)
            except ConnectionError:
                told = b""
            assert b"tcp" not in told
            assert not told or told[0] == 0x15  # an alert of TLS, which says nothing of dask
        assert urlsplit(dashboard).hostname == "127.0.0.1"
        assert client.submit(json.dumps, {"a": 1}).result() == '{"a": 1}'
