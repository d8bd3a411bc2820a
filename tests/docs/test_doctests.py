"""Every example in a docstring of the package gives what it shows."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import mce


def module_names() -> Iterator[str]:
    """Give the name of every module of the package, the linked folders among them."""
    yield mce.__name__
    for module in pkgutil.walk_packages(mce.__path__, f"{mce.__name__}."):
        yield module.name


def examples(name: str) -> list[doctest.DocTest]:
    """Find the docstrings with examples in the module ``name``, its own and not those it imported."""
    return [found for found in doctest.DocTestFinder().find(importlib.import_module(name)) if found.examples]


def differences(docstring: doctest.DocTest) -> str:
    """Run the examples of a docstring and report those that give something else."""
    report: list[str] = []
    doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(docstring, out=report.append)
    return "".join(report)


DOCSTRINGS = [found for name in module_names() for found in examples(name)]


@pytest.mark.parametrize("docstring", DOCSTRINGS, ids=lambda docstring: docstring.name)
def test_a_docstring_gives_what_it_shows(docstring: doctest.DocTest) -> None:
    report = differences(docstring)
    assert not report, report


def test_a_wrong_example_is_reported() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3", {}, "wrong", None, None)
    assert "Expected:\n    3\nGot:\n    2" in differences(wrong)
