"""The whole suite: all workloads of mce, measured one by one into rows."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.concurrent import CONCURRENT
from benchmarks.fresh import FRESH, run_program
from benchmarks.measure import QUICK, Effort, WrongResult
from benchmarks.results import Row
from benchmarks.sequential import SEQUENTIAL
from benchmarks.streams import STREAMS
from benchmarks.workload import run_workload

__all__ = ["WORKLOADS", "measure_all"]

WORKLOADS = [*SEQUENTIAL, *CONCURRENT, *STREAMS]


def measure_all(*, quick: bool, only: str = "") -> Iterator[Row]:
    """Measure every workload whose name contains ``only``, at every size; a wrong result is a row that says so."""
    for workload in WORKLOADS:
        if only not in workload.name:
            continue
        for size in workload.quick if quick else workload.sizes:
            try:
                measured, problem = run_workload(workload, size, QUICK if quick else Effort()), ""
            except WrongResult as wrong:
                measured, problem = None, str(wrong)
            yield Row(workload.name, "mce", workload.baseline, size, workload.target, measured, problem)
    for program in FRESH:
        if only not in program.name:
            continue
        size = program.quick if quick else program.size
        try:
            measured, problem = run_program(program, size, 3 if quick else 7), ""
        except WrongResult as wrong:
            measured, problem = None, str(wrong)
        yield Row(program.name, "mce", program.baseline, size, program.target, measured, problem)
