"""Each test of a connection runs on each event loop, in plain and over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from aio_support import SECONDS, Layer, Need, Run, tls_layer


@pytest.fixture(params=["plain", "tls"])
def layer(request: pytest.FixtureRequest, need: Need) -> Layer:
    """Give what makes a plain connection, then what makes one over TLS."""
    return tls_layer(need) if request.param == "tls" else Layer("plain", {}, {})


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, need: Need) -> Run:
    """Give a function that runs a coroutine on this loop."""
    factory = asyncio.new_event_loop
    if request.param == "uvloop":
        factory = need("uvloop").new_event_loop

    def run_it(coroutine: Coroutine[Any, Any, None]) -> None:
        async def limited() -> None:
            errors: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(
                lambda _, context: errors.append(context)
            )
            async with asyncio.timeout(SECONDS):
                await coroutine
            assert not errors

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(limited())

    return run_it
