"""Lock, unlock and prefetch."""

from __future__ import annotations

import sys

import pytest
from growable import Region, UnsupportedError
from region_support import CAN, linux_only, plain_only, system_locked
from support import PAGE, run_child

pytestmark = pytest.mark.skipif(not CAN["lock"], reason="this system cannot lock pages")


@linux_only
@plain_only
def test_locked_pages_are_locked() -> None:
    with Region(10 * PAGE) as region:
        region.commit(PAGE, 8 * PAGE)
        region.lock(2 * PAGE, 4 * PAGE)
        assert system_locked(region) == 4 * PAGE
        assert region.query(PAGE).resident >= 4 * PAGE
        region.unlock(3 * PAGE, PAGE)
        assert system_locked(region) == 3 * PAGE
        region.unlock(PAGE, 8 * PAGE)
        assert system_locked(region) == 0


def test_locking_twice_and_unlocking_once() -> None:
    with Region(2 * PAGE, commit=True) as region:
        region.lock()
        region.lock()
        region.unlock()
        region.unlock()


def test_decommit_unlocks() -> None:
    with Region(2 * PAGE, commit=True) as region:
        region.lock()
        region.decommit()
        region.commit()
        region.lock(0, PAGE)


LIMIT = """
    import growable, os, resource
    from growable import CommitError, Region
    P = growable.info()["page_size"]
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (16 * P, 16 * P))
    if os.getuid() == 0:
        os.setuid(65534)
    r = Region(64 * P, commit=True)
    r.lock(0, 8 * P)
    try:
        r.lock(8 * P, 32 * P)
    except CommitError as error:
        print(error.limit, error.requested == 32 * P, error.operation)
    locked = sum(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmLck"))
    print(locked * 1024 == 8 * P)
"""


@linux_only
@plain_only
def test_the_limit_is_named_and_nothing_stays_locked() -> None:
    assert run_child(LIMIT).stdout == "RLIMIT_MEMLOCK True lock\nTrue\n"


def test_prefetch() -> None:
    with Region(8 * PAGE, commit=True) as region:
        region.view()[:4] = b"data"
        if CAN["prefetch"]:
            region.prefetch()
            region.prefetch(PAGE, 1)
        else:
            with pytest.raises(UnsupportedError):
                region.prefetch()
        assert bytes(region.view(0, 4)) == b"data"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has its own limit")
def test_info_tells_the_limit() -> None:
    import resource

    import growable

    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    told = growable.info()["limits"]["locked"]
    assert told == (None if limit == resource.RLIM_INFINITY else limit)
