"""Every public thing of the standard library with all the names that it is known by.

A name leads to a thing, as ``names`` finds it; a thing often has several: ``asyncio.TaskGroup`` and
``asyncio.taskgroups.TaskGroup``, ``random.choice`` and ``random.Random.choice``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from .names import Library, is_public
from .sources import Definition, Module

__all__ = ["Catalogue", "Key", "shown_name"]

Key = tuple[str, str]

_KNOWN_AS = {os.path.__name__: "os.path"}
# Made by C code that gives them no name in a module.
_TYPES = {"re.Pattern": "_sre.Pattern", "re.Match": "_sre.Match"}
# Modules whose functions are the methods of an object that they make when they are imported.
_OBJECTS = {"multiprocessing": "multiprocessing.context.DefaultContext"}


def shown_name(module: str) -> str:
    """Give the name that people know a module by: ``posixpath`` is ``os.path``."""
    return _KNOWN_AS.get(module, module)


class Catalogue:
    """``things`` by where they are defined, and the ``names`` of each; ``offered`` are the names that ``__all__`` has.

    A module without ``__all__``, or with one that cannot be read, offers everything.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self.modules = [module for module in library.modules.values() if is_public(shown_name(module.name))]
        self.things: dict[Key, Definition] = {}
        self.names: dict[Key, set[str]] = {}
        self.offered: set[str] = set()
        for module in self.modules:
            self._add_module(module)

    def is_module(self, name: str) -> bool:
        """Is ``name`` that of a module?"""
        return name in self.library.modules or name in _KNOWN_AS.values()

    def is_offered(self, names: list[str]) -> bool:
        """Is what has these names, or the class that it belongs to, offered under one of them?"""
        return any(name in self.offered or name.rpartition(".")[0] in self.offered for name in names)

    def _add_module(self, module: Module) -> None:
        exports = set(module.exports or ())
        for name in sorted(self.library.public_names(module)):
            shown = f"{shown_name(module.name)}.{name}"
            if self.is_module(shown):
                continue
            if name in exports or not exports or not module.all_exports:
                self.offered.add(shown.removeprefix("builtins."))
            found = self.library.find(_TYPES.get(shown, f"{module.name}.{name}")) or self._find_below(module, name)
            if found and (module.name == "builtins" or not _is_builtin(found, name)):
                self._add(found, shown)
            elif name in exports and not found:
                self._add(Definition(module.name, name, "constant"), shown)
        if module.name in _OBJECTS and (thing := self.library.find(_OBJECTS[module.name])):
            self._add_members(thing, module.name)
            for found, name in self._attributes(thing):
                self._add(found, f"{module.name}.{name}")

    def _find_below(self, module: Module, name: str) -> Definition | None:
        """Find a name that a package imports only when it is asked for (``concurrent.futures``)."""
        for other in self.library.modules.values() if module.is_package else ():
            if other.name.startswith(f"{module.name}.") and name in other.definitions:
                return other.definitions[name]
        return None

    def _attributes(self, thing: Definition) -> Iterator[tuple[Definition, str]]:
        for path in self.library.aliases(thing):
            if found := self.library.find(f"{thing.module}.{path}"):
                yield found, path.rpartition(".")[2]

    def _add(self, thing: Definition, name: str) -> None:
        key, name = (thing.module, thing.path), name.removeprefix("builtins.")
        if name not in self.names.setdefault(key, set()):
            self.names[key].add(name)
            self.things[key] = thing
            self._add_members(thing, name)

    def _add_members(self, thing: Definition, name: str) -> None:
        """Add the members of a class under its name, its own before those of its bases."""
        known: set[str] = set()
        for owner in (thing, *self.library.ancestors(thing)):
            if owner is thing or owner.module != "builtins":
                for member in self.library.members(owner):
                    short = member.path[len(owner.path) :]
                    if short not in known:
                        known.add(short)
                        self._add(member, name + short)


def _is_builtin(found: Definition, name: str) -> bool:
    """Is it a builtin that a module has another name for, as ``socket.error`` is ``OSError``? ``io.open`` is none."""
    return found.module == "builtins" and (found.kind != "function" or name != found.path)
