"""What the tests of growable.aio share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

from tls_support import make_contexts

Need: TypeAlias = Callable[[str], ModuleType]
Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]

SECONDS = 60  # Only so that a test which hangs fails.


class Layer(NamedTuple):
    """What to pass to the server and to the client for plain connections or TLS."""

    name: str
    server: dict[str, Any]
    client: dict[str, Any]


def tls_layer(need: Need) -> Layer:
    """Return what makes a connection over TLS to localhost."""
    client, server = make_contexts(need("trustme"))
    return Layer("tls", {"ssl": server}, {"ssl": client, "server_hostname": "localhost"})
