"""Sizes, defaults and the environment variables."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import growable
import pytest
from growable import config
from growable.config import apply_environment, parse_size

GiB = 1 << 30
MiB = 1 << 20


@pytest.fixture(autouse=True)
def _defaults_put_back() -> Iterator[None]:
    before = growable.info()["defaults"]
    yield
    growable.set_defaults(**before)


def defaults() -> dict[str, object]:
    return dict(growable.info()["defaults"])


class Index:
    """An integer by ``__index__`` only."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (0, 0),
        (65536, 65536),
        (Index(12), 12),
        ("0", 0),
        ("65536", 65536),
        ("7B", 7),
        ("10MB", 10_000_000),
        ("10 MB", 10_000_000),
        ("10mib", 10 * MiB),
        ("64GiB", 64 * GiB),
        (" 64 GiB ", 64 * GiB),
        ("1.5KiB", 1536),
        ("0.25kB", 250),
        ("1TiB", 1 << 40),
        ("1PB", 10**15),
        (str(sys.maxsize), sys.maxsize),
    ],
)
def test_sizes_accepted(value: str | int, size: int) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "MiB",
        "-1",
        "+1",
        "1_000",
        "0x10",
        "1e6",
        "64G",
        "64 gigs",
        "1.5",
        "0.0001KiB",
        ".5MiB",
        "1.GiB",
        "1  KiB",
        "\u0661MiB",
        "9" * 31,
        "9EB",
        str(sys.maxsize + 1),
        sys.maxsize + 1,
        -1,
    ],
)
def test_sizes_refused(value: str | int) -> None:
    with pytest.raises(ValueError, match=r"^the thing must be") as caught:
        parse_size(value, "the thing")
    assert repr(value)[:20] in str(caught.value)


@pytest.mark.parametrize("value", [1.0, True, None, b"1", [1]])
def test_sizes_of_the_wrong_type(value: object) -> None:
    with pytest.raises(TypeError, match=rf"^the thing must be .* not {type(value).__name__}"):
        parse_size(value, "the thing")  # type: ignore[arg-type]


def test_set_defaults_changes_what_is_given() -> None:
    before = defaults()
    growable.set_defaults(reservation="128MiB")
    assert defaults() == {**before, "reservation": 128 * MiB}
    growable.set_defaults(pool_budget=8 * MiB, huge_pages=False)
    assert defaults() == {
        "reservation": 128 * MiB,
        "pool_budget": 8 * MiB,
        "pool_limit": before["pool_limit"],
        "huge_pages": False,
        "prefault": "ahead",
        "latency": "normal",
    }
    growable.set_defaults(huge_pages="auto", pool_budget=0)
    growable.set_defaults(pool_limit="2GiB")
    assert defaults() == {
        "reservation": 128 * MiB,
        "pool_budget": 0,
        "pool_limit": 2 * GiB,
        "huge_pages": "auto",
        "prefault": "ahead",
        "latency": "normal",
    }
    growable.set_defaults(prefault="background", latency="low")
    assert (defaults()["prefault"], defaults()["latency"]) == ("background", "low")
    growable.set_defaults(prefault="off")
    assert (defaults()["prefault"], defaults()["latency"]) == ("off", "low")
    growable.set_defaults()
    assert defaults()["reservation"] == 128 * MiB


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"reservation": "lots"}, ValueError),
        ({"reservation": 0}, ValueError),
        ({"reservation": 1.5}, TypeError),
        ({"pool_budget": -1}, ValueError),
        ({"pool_budget": "1 parsec"}, ValueError),
        ({"pool_budget": b"1"}, TypeError),
        ({"pool_limit": -1}, ValueError),
        ({"pool_limit": 1.0}, TypeError),
        ({"huge_pages": "yes"}, ValueError),
        ({"huge_pages": 1}, TypeError),
        ({"prefault": "on"}, ValueError),
        ({"prefault": True}, TypeError),
        ({"latency": "lower"}, ValueError),
        ({"latency": 1}, TypeError),
    ],
)
def test_bad_input_changes_nothing(bad: dict[str, object], error: type[Exception]) -> None:
    before = defaults()
    good = {"reservation": 3 * GiB, "pool_budget": 5 * MiB, "huge_pages": True}
    (name,) = bad
    with pytest.raises(error, match=f"^{name} must be"):
        growable.set_defaults(**{**good, **bad})  # type: ignore[arg-type]
    assert defaults() == before


def test_defaults_are_keywords_only() -> None:
    with pytest.raises(TypeError):
        growable.set_defaults("1GiB")  # type: ignore[call-arg]


def test_a_default_reservation_is_what_a_buffer_gets() -> None:
    growable.set_defaults(reservation="128MiB", pool_budget=0)
    buffer = growable.Buffer(b"first")
    with memoryview(buffer):
        buffer += bytes(MiB)
        assert len(buffer) <= buffer.committed <= buffer.capacity <= 128 * MiB


def test_environment_is_read() -> None:
    apply_environment(
        {
            "GROWABLE_RESERVATION": "2GiB",
            "GROWABLE_POOL_BUDGET": "1000000",
            "GROWABLE_POOL_LIMIT": "2 MB",
            "GROWABLE_HUGE_PAGES": "off",
            "GROWABLE_PREFAULT": " Background ",
            "GROWABLE_LATENCY": "low",
        }
    )
    assert defaults() == {
        "reservation": 2 * GiB,
        "pool_budget": 1_000_000,
        "pool_limit": 2_000_000,
        "huge_pages": False,
        "prefault": "background",
        "latency": "low",
    }


@pytest.mark.parametrize("text", ["1", "true", "TRUE", "yes", "on", " on "])
def test_environment_switch_on(text: str) -> None:
    apply_environment({"GROWABLE_HUGE_PAGES": text})
    assert defaults()["huge_pages"] is True


def test_environment_switch_auto() -> None:
    growable.set_defaults(huge_pages=True)
    apply_environment({"GROWABLE_HUGE_PAGES": "Auto"})
    assert defaults()["huge_pages"] == "auto"


def test_empty_variables_count_as_not_set() -> None:
    before = defaults()
    apply_environment(
        {"GROWABLE_RESERVATION": "", "GROWABLE_POOL_BUDGET": " ", "GROWABLE_HUGE_PAGES": ""}
    )
    assert defaults() == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GROWABLE_RESERVATION", "many"),
        ("GROWABLE_RESERVATION", "0"),
        ("GROWABLE_POOL_BUDGET", "-5"),
        ("GROWABLE_HUGE_PAGES", "perhaps"),
        ("GROWABLE_PREFAULT", "perhaps"),
        ("GROWABLE_LATENCY", "high"),
    ],
)
def test_bad_variable_changes_nothing(name: str, text: str) -> None:
    before = defaults()
    good = {"GROWABLE_RESERVATION": "3GiB", "GROWABLE_POOL_BUDGET": "5MB"}
    with pytest.raises(ValueError, match=f"^{name} must be .*{text}"):
        apply_environment({**good, name: text})
    assert defaults() == before


def import_with(**variables: str) -> subprocess.CompletedProcess[str]:
    code = "import growable; print(growable.info()['defaults'])"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_variables_are_taken_at_import() -> None:
    done = import_with(GROWABLE_RESERVATION="1GiB", GROWABLE_HUGE_PAGES="0")
    assert done.returncode == 0, done.stderr
    assert f"'reservation': {GiB}" in done.stdout
    assert "'huge_pages': False" in done.stdout


def test_a_bad_variable_stops_the_import() -> None:
    done = import_with(GROWABLE_POOL_BUDGET="64 Gigs")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError: GROWABLE_POOL_BUDGET must be")
    assert "64GiB" in last, "it says what is accepted"
    assert "'64 Gigs'" in last


def test_info_is_complete() -> None:
    found = growable.info()
    assert list(found) == [
        "version",
        "platform",
        "page_size",
        "granularity",
        "huge_page_size",
        "large_page_sizes",
        "numa_nodes",
        "thp",
        "overcommit",
        "limits",
        "defaults",
        "pool",
    ]
    assert set(found["limits"]) == {"address_space", "data", "mappings", "locked"}
    assert set(found["defaults"]) == {
        "reservation",
        "pool_budget",
        "pool_limit",
        "huge_pages",
        "prefault",
        "latency",
    }
    assert set(found["pool"]) == {
        "reservations",
        "reserved_bytes",
        "pooled",
        "pooled_bytes",
        "discarded_bytes",
    }
    assert found["version"] == growable.__version__
    assert found["page_size"] >= 4096
    assert found["granularity"] % found["page_size"] == 0


def test_info_belongs_to_the_caller() -> None:
    growable.info()["defaults"]["reservation"] = 1
    growable.info()["limits"]["data"] = -1
    assert growable.info()["defaults"]["reservation"] > 1
    assert growable.info()["limits"]["data"] != -1


def test_capabilities_are_names_and_truths() -> None:
    found = growable.capabilities()
    assert found
    assert all(isinstance(value, bool) for value in found.values())
    assert not any(name.startswith("can_") for name in found)


def test_public_names() -> None:
    for name in growable.__all__:
        assert getattr(growable, name) is not None
        assert name in dir(growable)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = growable.nonsense


def test_version_without_an_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert config.package_version() == "0+unknown"


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (growable.ReservationError, MemoryError),
        (growable.CommitError, MemoryError),
        (growable.CapacityError, MemoryError),
        (growable.StateError, ValueError),
        (growable.UnsupportedError, OSError),
    ],
)
def test_errors_are_also_builtin_ones(
    error: type[growable.GrowableError], builtin: type[Exception]
) -> None:
    assert issubclass(error, growable.GrowableError)
    assert issubclass(error, builtin)
    assert error.__module__ == "growable"
    for attribute in ("operation", "requested", "limit", "error_code"):
        assert hasattr(error, attribute)


def test_an_error_says_what_was_tried() -> None:
    buffer = growable.Buffer(capacity=4096)
    with pytest.raises(growable.CapacityError, match="4096") as caught:
        buffer.extend(bytes(5000))
    assert caught.value.operation
    assert len(buffer) == 0


def test_an_index_that_sets_defaults_itself() -> None:
    class Again:
        def __index__(self) -> int:
            growable.set_defaults(pool_budget=5 * MiB)
            return GiB

    growable.set_defaults(reservation=Again())
    assert defaults()["reservation"] == GiB
    assert defaults()["pool_budget"] == 5 * MiB


@pytest.mark.skipif(sys.platform != "linux", reason="the facts are read from files there")
def test_facts_stay_when_no_descriptor_is_free() -> None:
    code = """
import os, resource
import growable
from growable import _core

before = _core.query()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    while True:
        os.dup(0)
except OSError:
    pass
assert _core.query() == before
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
