"""The command line: `growable` and `python -m growable`.

Exit status: 0 all well, 1 a check failed, 2 bad usage or nothing to work with, 130 interrupted,
141 the reader of the output went away.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from growable.cli import bench, demo, info
from growable.cli.report import EXIT_INTERRUPTED, CommandError
from growable.config import package_version

__all__ = ["main"]

EXIT_BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words of the command line; those of this process when left out.
    """
    try:
        options = _parser().parse_args(arguments)
        status: int = options.run(options)
        sys.stdout.flush()
    except CommandError as error:
        print(f"growable: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("growable: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return EXIT_BROKEN_PIPE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="growable", description="Memory that grows in place: see it work, see its limits."
    )
    parser.add_argument("--version", action="version", version=f"growable {package_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    bench.add_command(commands)
    demo.add_command(commands)
    info.add_command(commands)
    return parser


def _drop_output() -> None:
    # The interpreter flushes stdout once more at exit, and would complain about the closed pipe.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
