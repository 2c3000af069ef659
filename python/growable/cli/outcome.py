"""One document of the demo's results: medians, ratios and checks. It is what ``--json`` prints."""

from __future__ import annotations

import platform
import statistics
import sysconfig
from typing import Any

from growable.cli.race import CONTESTANTS, SMALL_PAGES, Results, Run
from growable.cli.source import Input
from growable.config import package_version

BASELINE = "bytearray"


def make_outcome(source: Input, rounds: int, results: Results) -> dict[str, Any]:
    """Return the document."""
    summaries = [_summary(name, source, results.digest, results.runs[name]) for name in CONTESTANTS]
    baseline = next(each for each in summaries if each["name"] == BASELINE)
    for each in summaries:
        each["times_bytearray"] = _ratio(each, baseline)
    buffer_runs = results.runs["Buffer"] + results.runs[SMALL_PAGES]
    checks = _checks(summaries, buffer_runs)
    return {
        "growable": package_version(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": sysconfig.get_platform(),
        "input": {
            "description": source.description,
            "files": len(source.files),
            "files_bytes": source.files_size,
            "bytes": source.size,
            "chunk": source.chunk,
            "head": source.head,
            "blake2b": results.digest,
        },
        "rounds": rounds,
        "contestants": summaries,
        "bytearray_with_view": {
            key: results.refusal.get(key) for key in ("refusal", "length", "error")
        },
        "checks": checks,
        "storage": next((run["storage"] for run in buffer_runs if "error" not in run), None),
        "ok": all(check["ok"] for check in checks),
    }


def _summary(name: str, source: Input, digest: str, runs: list[Run]) -> dict[str, Any]:
    done = [run for run in runs if "error" not in run]
    summary: dict[str, Any] = {
        "name": name,
        "views": done[0]["views"] if done else [],
        "error": next((run["error"] for run in runs if "error" in run), None),
        "contents_ok": all(run["digest"] == digest for run in done),
        "seconds": _median(done, "seconds"),
        "bytes_per_second": None,
        "worst_pause_seconds": _median(done, "worst_pause"),
        "peak_memory_bytes": _median(done, "peak_memory"),
        "runs": [
            {key: run[key] for key in ("seconds", "worst_pause", "peak_memory")} for run in done
        ],
    }
    if summary["seconds"]:
        summary["bytes_per_second"] = source.size / summary["seconds"]
    return summary


def _median(runs: list[Run], key: str) -> float | None:
    values = [run[key] for run in runs if run[key] is not None]
    return statistics.median(values) if values else None


def _ratio(summary: dict[str, Any], baseline: dict[str, Any]) -> float | None:
    if not summary["bytes_per_second"] or not baseline["bytes_per_second"]:
        return None
    ratio: float = summary["bytes_per_second"] / baseline["bytes_per_second"]
    return ratio


def _checks(summaries: list[dict[str, Any]], buffer_runs: list[Run]) -> list[dict[str, Any]]:
    """Return every check, true only when it held in every run.

    A peer that ran out of memory fails no check of ours; contents that are wrong in anybody's hands
    mean that the input changed while we read it, and then nothing was shown.
    """
    checks: dict[str, bool] = {"Buffer: ran": all("error" not in run for run in buffer_runs)}
    for run in buffer_runs:
        for name, held in run.get("checks", ()):
            checks[name] = checks.get(name, True) and held
    for summary in summaries:
        checks[f"{summary['name']}: contents"] = summary["contents_ok"]
    return [{"name": name, "ok": held} for name, held in checks.items()]
