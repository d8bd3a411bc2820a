"""The command line: ``python -m benchmarks run|cluster|peers|profile|publish``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.peers.contest import measure_peers
from benchmarks.profiles import profile_all
from benchmarks.results import Report, Row, merge, read, versions_of, write
from benchmarks.suite import measure_all
from benchmarks.tables import number, publish, table

__all__ = ["main"]

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def main(arguments: list[str] | None = None) -> int:
    """Measure or publish; the exit status is 1 if a comparison could not be measured or missed its target."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.command == "publish":
        publish(merge(read(path) for path in given.results), given.page)
        return 0
    if given.command == "profile":
        for line in profile_all(only=given.only):
            print(line, flush=True)
        return 0
    if given.command == "run":
        versions = versions_of(["anyio", "pydantic", "returns", "trio"])
        rows = _shown(measure_all(quick=given.quick, only=given.only))
    elif given.command == "cluster":
        from benchmarks.cluster.suite import measure_cluster  # needs Dask

        versions = versions_of(["anyio", "dask", "distributed", "pydantic"])
        rows = _shown(measure_cluster(quick=given.quick, only=given.only, recorded=given.recorded))
    else:
        versions = {}
        folder = given.environments
        rows = _shown(measure_peers(folder, versions, rounds=3 if given.quick else 9, only=given.only))
    print(table(rows))
    if given.json:
        write(Report(rows, versions=versions), given.json)
    return int(any(row.measured is None or row.met is False for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what a step costs, in ratios.")
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--quick", action="store_true", help="few rounds, small sizes: under a minute for mce")
    common.add_argument("--only", default="", metavar="TEXT", help="only what has TEXT in its name")
    common.add_argument("--json", type=Path, metavar="FILE", help="write the results to FILE")
    commands.add_parser("run", parents=[common], help="mce against plain asyncio, anyio and trio")
    about = "mce on Dask against Dask by hand: needs dask and distributed, and a quarter of an hour"
    cluster = commands.add_parser("cluster", parents=[common], help=about)
    recorded = "workflows in WfFormat 1.5 (*.json) to run besides, scaled down, with 2, 4 and 8 workers"
    cluster.add_argument("--recorded", type=Path, metavar="DIR", help=recorded)
    peers = commands.add_parser("peers", parents=[common], help="other libraries, each in an environment of its own")
    where = "where the environments are kept (%(default)s)"
    peers.add_argument("--environments", type=Path, default=_cache(), metavar="DIR", help=where)
    profile = commands.add_parser("profile", help="where the time of mce goes, by function")
    profile.add_argument("--only", default="", metavar="TEXT", help="only what has TEXT in its name")
    page = commands.add_parser("publish", help="write results into docs/benchmarks.md, and the plot beside it")
    page.add_argument("results", type=Path, nargs="+", metavar="FILE", help="JSON written by run and peers")
    page.add_argument("--page", type=Path, default=PAGE, help="the page to write into (%(default)s)")
    return parser


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mce-benchmarks"


def _shown(rows: Iterable[Row]) -> list[Row]:
    found = []
    for row in rows:
        ratio = row.problem if row.measured is None else number(row.measured.ratio)
        print(f"{row.subject}, {row.workload}, {row.size:,}: {ratio}", file=sys.stderr, flush=True)
        found.append(row)
    return found


if __name__ == "__main__":
    sys.exit(main())
