"""CPython's own tests of whatever takes a bytearray, run on Buffer from the installed package.

Each module runs twice in processes of its own: with the built-in and with ours in its place. A
test counts only where the built-in passes it; what ours then fails must stand in `expected.py`.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from expected import EXPECTED

RUNNER = Path(__file__).with_name("cpython_runner.py")

# Whole modules: all their tests are about the type.
WHOLE = ["test.test_bytes"]

# Of these the tests that mention bytearray, directly or through a helper.
TOUCHING = [
    "test.test_array",
    "test.test_base64",
    "test.test_binascii",
    "test.test_buffer",
    "test.test_builtin",
    "test.test_bz2",
    "test.test_capi.test_bytearray",
    "test.test_capi.test_getargs",
    "test.test_codeccallbacks",
    "test.test_codecs",
    "test.test_collections",
    "test.test_compare",
    "test.test_copy",
    "test.test_descr",
    "test.test_exceptions",
    "test.test_fileio",
    "test.test_float",
    "test.test_format",
    "test.test_gzip",
    "test.test_hash",
    "test.test_hashlib",
    "test.test_hmac",
    "test.test_httplib",
    "test.test_index",
    "test.test_int",
    "test.test_io",
    "test.test_iter",
    "test.test_iterlen",
    "test.test_json.test_decode",
    "test.test_json.test_unicode",
    "test.test_long",
    "test.test_marshal",
    "test.test_math",
    "test.test_memoryio",
    "test.test_memoryview",
    "test.test_mmap",
    "test.test_os",
    "test.test_patma",
    "test.test_pickle",
    "test.test_picklebuffer",
    "test.test_plistlib",
    "test.test_posix",
    "test.test_pprint",
    "test.test_random",
    "test.test_re",
    "test.test_socket",
    "test.test_ssl",
    "test.test_str",
    "test.test_struct",
    "test.test_unicode",
    "test.test_unicodedata",
    "test.test_urlparse",
    "test.test_wsgiref",
    "test.test_xmlrpc",
    "test.test_zlib",
]

# Where the names lead to tests that take long and have little to do with the type.
ONLY = {
    "test.test_ssl": "BIO|test_recv_|nonblocking_send|BasicSocket",
    "test.test_io": r"^(?!.*TextIOWrapperTest\.test_(seek_and_tell|newlines|threads))",
}


class Outcome(NamedTuple):
    """What became of one test: pass, skip, fail or crash, and the text of it."""

    status: str
    text: str


def run_once(module: str, kind: str, skip: list[str]) -> tuple[dict[str, Outcome], str | None]:
    """Run the module once; the second value names the test that killed the process."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report")
        command = [sys.executable, "-X", "faulthandler", str(RUNNER), module, kind, str(report)]
        command += ["--all"] if module in WHOLE else []
        command += ["--only", ONLY.get(module, "")]
        for name in skip:
            command += ["--skip", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not report.exists():
            pytest.fail(f"{module} with {kind} did not start:\n{done.stderr[-3000:]}")
        outcomes: dict[str, Outcome] = {}
        started: str | None = None
        for raw in report.read_text(encoding="utf-8").splitlines():
            line = json.loads(raw)
            if line["event"] == "start":
                started = line["test"]
            elif line["event"] == "end":
                outcomes[line["test"]] = Outcome(line["status"], line["text"])
                started = None
            else:
                return outcomes, None
        culprit = started or "(outside a test)"
        outcomes[culprit] = Outcome("crash", f"exit {done.returncode}\n{done.stderr[-3000:]}")
        return outcomes, culprit


@functools.cache
def run_all(module: str, kind: str) -> dict[str, Outcome]:
    """Run the module, again without the test that killed the process where one did."""
    outcomes: dict[str, Outcome] = {}
    skip: list[str] = []
    while True:
        got, culprit = run_once(module, kind, skip)
        outcomes.update(got)
        if culprit is None or len(skip) == 5 or culprit in skip:
            return outcomes
        skip.append(culprit)


def known(module: str, kind: str) -> dict[str, str]:
    """Return the tests of the module that are expected not to pass, with their reasons."""
    return {e.test: e.reason for e in EXPECTED if e.module == module and e.applies(kind)}


def compare(module: str, kind: str) -> None:
    """Fail where ours does not pass what the built-in passes, or the table is stale."""
    if importlib.util.find_spec("test") is None:
        pytest.skip("this interpreter has no `test` package")
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        pytest.skip(f"this interpreter's `test` package has no {module}")
    reference = run_all(module, "builtin")
    ours = run_all(module, kind)
    passed = {name for name, outcome in reference.items() if outcome.status == "pass"}
    if not passed and not ours:
        pytest.skip(f"no test of {module} mentions bytearray on this interpreter")
    bad = {name for name in passed if ours.get(name, Outcome("crash", "not run")).status != "pass"}
    expected = known(module, kind)
    print(f"{module} {kind}: {len(passed)} tests, {len(passed - bad)} passed, {len(bad)} not")
    problems = [
        f"{name}: {ours.get(name, Outcome('crash', 'not run'))[0]}\n"
        + ours.get(name, Outcome("crash", "not run")).text
        for name in sorted(bad - set(expected))
    ]
    stale = sorted(set(expected) - bad)
    assert not problems, "not passed:\n" + "\n".join(problems)
    assert not stale, f"expected.py lists tests that pass or do not exist: {stale}"


@pytest.mark.parametrize("kind", ["Buffer", "SubBuffer"])
@pytest.mark.parametrize("module", WHOLE)
def test_of_the_type(module: str, kind: str) -> None:
    """The tests of bytearray itself."""
    compare(module, kind)


@pytest.mark.parametrize("module", TOUCHING)
def test_of_a_consumer(module: str) -> None:
    """The tests of a module that takes bytearrays, as far as they use one."""
    compare(module, "Buffer")


def test_every_expected_entry_names_a_module_that_is_run() -> None:
    """An entry for a module that is not run could never go stale."""
    assert {e.module for e in EXPECTED} <= {*WHOLE, *TOUCHING}


def test_every_expected_entry_stands_in_the_document() -> None:
    """Users read of every test that is not passed, and of its reason."""
    document = Path(__file__).parents[2].joinpath("docs", "bytearray-compat.md")
    text = document.read_text(encoding="utf-8").replace("`", "")
    missing = {e.test for e in EXPECTED if e.test.rpartition(".")[2] not in text}
    assert not missing
    assert not {e.reason for e in EXPECTED if e.reason.split(";")[0] not in text}
