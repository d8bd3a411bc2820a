"""How often the standard library itself uses a thing, and what that says about how likely people ask for it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from math import log2

from .catalogue import Catalogue, Key, shown_name
from .sources import Definition, Kind, Module

__all__ = ["Usage"]

_DOTTED = re.compile(r"\b[A-Za-z]\w*(?:\.[A-Za-z]\w*)+")
_CALLED = re.compile(r"(?<![\w.])([a-z]+)\(")
_IMPORTED = re.compile(r"^\s*from ([\w.]+) import (\([^()]*\)|.*)", re.MULTILINE)

_OWN, _OWNER = 0.05, 0.027  # what each doubling of the uses adds
_KINDS: Mapping[Kind, float] = {
    "module": 0.8,
    "class": 1.0,
    "function": 1.0,
    "method": 0.87,
    "property": 0.65,
    "constant": 0.65,
}
_DEPRECATED, _NOT_OFFERED, _SILENT = 0.5, 0.7, 0.9


class Usage:
    """Counts the dotted names in the sources, the attributes (``.strip``), the calls, and what is imported."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._uses = _count(module.text for module in catalogue.library.modules.values())
        self._sharing = Counter(path.rpartition(".")[2] for _, path in catalogue.things)
        self._modules: Counter[str] = Counter()
        for dotted, count in self._uses.items():
            if catalogue.is_module(owner := dotted.rpartition(".")[0]):
                self._modules[owner] += count
        self._all = self._modules.total()

    def order(self, key: Key) -> list[str]:
        """Give the names of a thing, the best first: short, offered, where it is defined, in most use."""
        thing = self._catalogue.things[key]
        home = shown_name(thing.module)

        def rank(name: str) -> tuple[object, ...]:
            is_own = f".{name}".endswith(f".{thing.path}")
            offered = name in self._catalogue.offered
            return name.count("."), not offered, not is_own, not name.startswith(home), -self._uses[name], name

        return sorted(self._catalogue.names[key], key=rank)

    def likelihood(self, thing: Definition, names: list[str], *, is_silent: bool, is_deprecated: bool) -> float:
        """How likely is a thing with these names asked for, whatever the question? A thing in no use has about 1."""
        uses = max(self._count_unqualified(thing, names[0]), *(self._uses[name] for name in names))
        likely = _KINDS[thing.kind] * _raise(uses, self._count_owner(names[0]))
        if is_deprecated:
            likely *= _DEPRECATED
        if not self._catalogue.is_offered(names):
            likely *= _NOT_OFFERED
        return likely * _SILENT if is_silent else likely

    def module_likelihood(self, module: Module) -> float:
        """How likely is a module asked for?"""
        uses = self._modules[shown_name(module.name)]
        return _KINDS["module"] * _raise(uses, uses) * (_DEPRECATED if module.deprecated else 1.0)

    def _count_unqualified(self, thing: Definition, name: str) -> int:
        """Count the uses of methods and builtins, before which no module stands."""
        last = thing.path.rpartition(".")[2]
        if thing.kind == "method":
            return self._uses[f".{last}"] // self._sharing[last]
        return self._uses[f"builtins.{name}"] if thing.module == "builtins" else 0

    def _count_owner(self, name: str) -> int:
        owner = name.rpartition(".")[0]
        if not owner:
            return self._all
        return max(self._modules[owner], self._uses[owner], self._uses[f"builtins.{owner}"])


def _raise(uses: int, owner: int) -> float:
    return (1 + _OWN * log2(1 + uses)) * (1 + _OWNER * log2(1 + owner))


def _count(texts: Iterable[str]) -> Counter[str]:
    uses: Counter[str] = Counter()
    for text in texts:
        dotted = _DOTTED.findall(text)
        uses.update(dotted)
        uses.update(name[name.rindex(".") :] for name in dotted)
        uses.update(f"builtins.{name}" for name in _CALLED.findall(text))
        for source, names in _IMPORTED.findall(text):
            uses.update(f"{source}.{name}" for name in re.findall(r"\w+", names))
    return uses
