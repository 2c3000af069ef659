"""Starts a contestant in a process of its own, and asks it for samples."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from growable.bench.contestants import contestant

__all__ = [
    "ChildError",
    "Runner",
    "WrongResult",
    "command_of",
    "one_life",
    "turns_share_processor",
]

# -P keeps the current folder's files from standing in for modules. Where this package was found is
# added at the end, for a parent that found it by other means than the child will.
_BOOTSTRAP = """\
import sys
sys.path.append(sys.argv[1])
from growable.bench.child import main
sys.exit(main(sys.argv[2]))
"""


class ChildError(Exception):
    """A process could not do its work; the message says what it said."""


class WrongResult(Exception):  # noqa: N818
    """A contestant ended with other bytes than went in."""


def command_of(plan: Mapping[str, Any], python: str = sys.executable) -> list[str]:
    """Return the command that carries out a plan."""
    root = str(Path(__file__).resolve().parents[2])
    return [python, "-P", "-c", _BOOTSTRAP, root, json.dumps(plan)]


def environment_of(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of the process that carries out a plan."""
    extra = contestant(plan["contestant"]).environment() if "contestant" in plan else {}
    if isinstance(extra, str):
        raise ChildError(extra)
    return {**os.environ, **extra}


def _needs_processors(plan: Mapping[str, Any]) -> bool:
    """Tell whether what a plan is about takes place on several processors at a time."""
    settings = contestant(plan["contestant"]).settings if "contestant" in plan else {}
    return plan["work"] == "threads" or settings.get("prefault") == "background"


@contextmanager
def _on_one_processor(plan: Mapping[str, Any]) -> Iterator[None]:
    """Have processes that are started meanwhile stay on the same processor, where Linux lets us.

    Of two that a virtual machine has one may be slower by half for minutes, while a neighbour keeps
    the other half of its core busy, and processes tend to stay where they are.
    """
    if sys.platform != "linux" or _needs_processors(plan):
        yield
        return
    try:
        ours = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(ours)})
    except OSError:  # A sandbox may refuse it.
        yield
        return
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


def turns_share_processor() -> bool:
    """Tell whether processes that take turns are kept on one processor."""
    if sys.platform != "linux":
        return False
    try:
        with _on_one_processor({"work": "fill"}):
            return len(os.sched_getaffinity(0)) == 1
    except OSError:
        return False


class Runner:
    """A process that takes one sample whenever it is asked."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        command, environment = command_of(plan), environment_of(plan)
        with _on_one_processor(plan):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=environment,
            )
        try:
            self._receive()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        return self._process.pid

    def run(self, repeats: int = 1, number: int = 0) -> dict[str, Any]:
        """Take one sample.

        Raises
        ------
        ChildError
            When the process could not.
        WrongResult
            When the contents were not what went in.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"%d %d\n" % (repeats, number))
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ChildError(self._last_words()) from None
        answer = self._receive()
        if answer["wrong"] is not None:
            raise WrongResult(f"{self._plan.get('contestant')}: {answer['wrong']}")
        return answer

    def _receive(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise ChildError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ChildError(answer["error"])
        if "raw" in answer:
            answer["raw"] = array("Q", stdout.read(answer["raw"]))
        return answer

    def _last_words(self) -> str:
        status = self._process.wait()
        if status == 130:
            raise KeyboardInterrupt
        if status < 0:
            return f"ended by signal {-status}" + (" (out of memory?)" if status == -9 else "")
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"ended with status {status}"

    def stop(self) -> None:
        """End the process, and wait until it is gone."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # a question that a dead process did not read
                    stream.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is not None:
            self._process.kill()
        self.stop()


def one_life(
    plan: Mapping[str, Any],
    number: int = 0,
    lives: int = 1,
    ready: Callable[[], None] | None = None,
) -> list[dict[str, Any]]:
    """Take samples in a process made for them: one for each life in it.

    `ready` is called when the process has come as far as it can without taking any.
    """
    with Runner(plan) as runner:
        if ready:
            ready()
        return [runner.run(1, number) for _ in range(lives)]
