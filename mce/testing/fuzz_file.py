"""The findings of a fuzzed flow written as a file of tests, each of which fails until its flow is mended."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

from mce.flow import NO_INPUT
from mce.testing.fuzz_report import Finding, FuzzReport
from mce.testing.reproduce import Writer

__all__ = ["written_tests"]


def written_tests(
    report: FuzzReport,
    target: str,
    *,
    invariant: str | None,
    real: tuple[str, ...],
    seed: int,
    folder: Path | None,
) -> str:
    """Write a test for every finding; ``target`` and ``invariant`` are ``module:name``.

    ``folder`` is the folder from which the module is imported, relative to that of the tests, if it is another one.
    """
    writer = Writer()
    tests = []
    for at, finding in enumerate(report.findings, 1):
        name = f"test_{finding.kind.replace(' ', '_')}_{at}"
        call = _call(writer, finding, target, invariant, real, seed)
        tests.append(f"def {name}() -> None:\n{_docstring(finding)}{call}\n")
    where = [] if folder is None else ["import sys", "from pathlib import Path"]
    path = [] if folder is None else [f"sys.path.insert(0, str(Path(__file__).parent / {os.fspath(folder)!r}))"]
    head = [f'"""What `mce fuzz` found in {target}: each test fails until what it names is mended."""']
    imports = [line if folder is None else f"{line}  # noqa: E402" for line in writer.header()]
    blocks = ["\n".join(lines) for lines in (head, where, path, imports) if lines]
    return "\n\n".join(blocks) + "\n\n\n" + "\n\n".join(tests)


def _docstring(finding: Finding) -> str:
    text = " ".join(finding.message.replace("\\", "/").replace('"""', "'''").split())
    lines = textwrap.wrap(text, 105, break_long_words=False) or [finding.kind]
    end = '\n"""\n' if len(lines) > 1 or text.endswith('"') else '"""\n'
    return textwrap.indent('"""' + "\n".join(lines) + end, "    ")


def _call(
    writer: Writer, finding: Finding, target: str, invariant: str | None, real: tuple[str, ...], seed: int
) -> str:
    trial = finding.trial
    given = [_found(writer, target), repr(finding.kind), repr(finding.place)]
    if trial.input is not NO_INPUT:
        given.append(f"input={writer.write(trial.input)}")
    if trial.state is not None:
        given.append(f"state={writer.write(trial.state)}")
    if trial.calls:
        calls = [f"            {writer.write(key)}: {writer.write(made)}," for key, made in trial.calls.items()]
        given.append("calls={\n" + "\n".join(calls) + "\n        }")
    if trial.order:
        given.append(f"order={trial.order!r}")
    if trial.cut is not None:
        given.append(f"cut={trial.cut}")
    if finding.kind == "invariant" and invariant is not None:
        given.append(f"invariant={_found(writer, invariant)}")
    given += [f"real={real!r}"] if real else []
    given += [f"seed={seed}"] if seed else []
    lines = "".join(f"        {part},\n" for part in given)
    return f"    {writer.imported('assert_mended', 'mce.testing')}(\n{lines}    )"


def _found(writer: Writer, target: str) -> str:
    module, _, name = target.partition(":")
    first, dot, rest = name.partition(".")
    return writer.imported(first, module) + dot + rest
