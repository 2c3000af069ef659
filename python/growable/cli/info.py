"""`growable info`: what this system allows and the defaults in force."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from growable.cli.report import open_console, plain_table, print_json, size_text
from growable.config import Info, capabilities, info

if TYPE_CHECKING:
    from rich.table import Table


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "info",
        help="page size, limits, capabilities and the defaults in force",
        description="Show what this system allows and the defaults in force.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    if options.json:
        print_json({**info(), "capabilities": capabilities()})
        return 0
    console = open_console()
    console.print(_facts(info()))
    console.print()
    console.print(_capabilities(capabilities()))
    return 0


def _facts(found: Info) -> Table:
    limits, defaults, pool = found["limits"], found["defaults"], found["pool"]
    mappings = limits["mappings"]
    table = plain_table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for section in (
        (
            ("growable", found["version"]),
            ("platform", found["platform"]),
            ("page size", size_text(found["page_size"])),
            ("reservation granularity", size_text(found["granularity"])),
            ("huge page size", size_text(found["huge_page_size"] or None, none="none")),
            ("transparent huge pages", found["thp"]),
            ("large page sizes", ", ".join(map(size_text, found["large_page_sizes"])) or "none"),
            ("NUMA nodes", str(found["numa_nodes"])),
            ("overcommit", found["overcommit"]),
        ),
        (
            ("limit on addresses", size_text(limits["address_space"])),
            ("limit on writable memory", size_text(limits["data"])),
            ("limit on locked memory", size_text(limits["locked"])),
            ("limit on mappings", "no limit" if mappings is None else f"{mappings:,}"),
        ),
        (
            ("default reservation", size_text(defaults["reservation"])),
            ("pool budget", size_text(defaults["pool_budget"])),
            ("pool limit", size_text(defaults["pool_limit"])),
            ("huge pages", _switch_text(defaults["huge_pages"])),
            ("prefault", defaults["prefault"]),
            ("latency", defaults["latency"]),
        ),
        (
            ("reservations now", _count_text(pool["reservations"], pool["reserved_bytes"])),
            ("waiting in the pool", _count_text(pool["pooled"], pool["pooled_bytes"])),
            ("offered to the system", size_text(pool["discarded_bytes"])),
        ),
    ):
        for name, value in section:
            table.add_row(name, value)
        table.add_section()
    return table


def _capabilities(found: dict[str, bool]) -> Table:
    table = plain_table()
    table.add_column("capability", no_wrap=True)
    table.add_column("here")
    for name, present in found.items():
        table.add_row(name, "yes" if present else "no")
    return table


def _switch_text(value: str | bool) -> str:
    if isinstance(value, str):
        return value
    return "on" if value else "off"


def _count_text(count: int, size: int) -> str:
    return f"{count:,}, {size_text(size)} in all" if count else "none"
