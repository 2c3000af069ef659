"""What the tests of growable.aio share."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

Need: TypeAlias = Callable[[str], ModuleType]
Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]

SECONDS = 60  # Only so that a test which hangs fails.


class Layer(NamedTuple):
    """What to pass to the server and to the client for plain connections or TLS."""

    name: str
    server: dict[str, Any]
    client: dict[str, Any]


def tls_layer(need: Need) -> Layer:
    """Return contexts that trust each other, with a certificate made for the test."""
    trustme = need("trustme")
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(client)
    return Layer("tls", {"ssl": server}, {"ssl": client, "server_hostname": "localhost"})
