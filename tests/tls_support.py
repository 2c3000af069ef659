"""TLS contexts for the tests, with a certificate made for each of them."""

from __future__ import annotations

import ssl
from types import ModuleType
from typing import NamedTuple


class Contexts(NamedTuple):
    """The contexts of a client and of a server named localhost that trust each other."""

    client: ssl.SSLContext
    server: ssl.SSLContext


def make_contexts(trustme: ModuleType) -> Contexts:
    """Return new ones; `trustme` is the package of that name."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(client)
    return Contexts(client, server)
