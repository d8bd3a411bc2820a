"""How names lead from one module to another: what a dotted name stands for, and which names a module offers.

Imports, star imports, aliases and hidden instances are followed as they are written, without running them.
"""

from __future__ import annotations

from collections.abc import Iterator

from .inspection import inspect_module
from .sources import Definition, Module

__all__ = ["Library", "is_public"]

_HIDDEN = frozenset({"genericpath", "nt", "ntpath", "posix", "posixpath", "pyexpat"})
_BUILDERS = frozenset({"property", "staticmethod", "classmethod"})


class Library:
    """All modules that were read; those without a source are asked for when a name leads to them."""

    def __init__(self, modules: dict[str, Module]) -> None:
        self.modules = modules
        self._compiled: dict[str, Module | None] = {}
        self._found: dict[str, Definition | None] = {}

    def module(self, name: str) -> Module | None:
        """Give the module ``name``, or None when there is no such module."""
        if name in self.modules or not name:
            return self.modules.get(name)
        if name not in self._compiled:
            self._compiled[name] = inspect_module(name)
        return self._compiled[name]

    def find(self, dotted: str) -> Definition | None:
        """Follow an absolute dotted name to what it stands for; prefers a definition that is documented.

        ``find("asyncio.TaskGroup")`` is the class ``TaskGroup`` in ``asyncio.taskgroups``.
        """
        if dotted not in self._found:
            self._found[dotted] = None  # names may lead in circles
            self._found[dotted] = self._follow(dotted)
        return self._found[dotted]

    def _follow(self, dotted: str) -> Definition | None:
        parts = dotted.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            if module := self.module(".".join(parts[:cut])):
                found = list(filter(None, self._candidates(module, ".".join(parts[cut:]))))
                return next((one for one in found if one.doc), found[0] if found else None)
        return None

    def _candidates(self, module: Module, path: str) -> Iterator[Definition | None]:
        head, _, rest = path.partition(".")
        yield module.definitions.get(path)
        if path in module.aliases:
            yield self._find_local(module, module.aliases[path])
        if rest:
            yield self._find_inherited(module, path)
        if head in module.imports:
            yield self.find(f"{module.imports[head]}.{rest}".rstrip("."))
        if rest and head in module.instances:
            yield self._find_local(module, f"{module.instances[head]}.{rest}")
        for star in module.stars:
            yield self.find(f"{star}.{path}")

    def _find_local(self, module: Module, dotted: str) -> Definition | None:
        """Find a name as the code of ``module`` would: there, else among the builtins."""
        if dotted in _BUILDERS:
            return None
        return self.find(f"{module.name}.{dotted}") or self.find(f"builtins.{dotted}")

    def _find_inherited(self, module: Module, path: str) -> Definition | None:
        owner, _, member = path.rpartition(".")
        known = module.definitions.get(owner)
        for base in self.bases(known) if known else ():
            if found := self.find(f"{base.module}.{base.path}.{member}"):
                return found
        return None

    def bases(self, known: Definition) -> list[Definition]:
        """Give the definitions of the base classes of ``known``, ``object`` left out."""
        module = self.module(known.module)
        if module is None:
            return []
        found = (self._find_local(module, base) for base in known.bases if base not in ("object", known.path))
        return [base for base in found if base and base.kind == "class"]

    def ancestors(self, known: Definition) -> list[Definition]:
        """Give all base classes of ``known``, the nearest first."""
        found: dict[tuple[str, str], Definition] = {}
        waiting = self.bases(known)
        while waiting:
            base = waiting.pop(0)
            if (base.module, base.path) not in found:
                found[base.module, base.path] = base
                waiting += self.bases(base)
        return list(found.values())

    def members(self, known: Definition) -> list[Definition]:
        """Give the public members that the class ``known`` defines itself."""
        module, prefix = self.module(known.module), f"{known.path}."
        if module is None or known.kind != "class":
            return []
        return [one for path, one in module.definitions.items() if path.startswith(prefix) and "._" not in path]

    def aliases(self, known: Definition) -> list[str]:
        """Give the paths of the public class attributes of ``known`` that stand for something else."""
        module, prefix = self.module(known.module), f"{known.path}."
        return [path for path in (module.aliases if module else ()) if path.startswith(prefix) and "._" not in path]

    def public_names(self, module: Module) -> set[str]:
        """Give the names that ``module`` offers: its own, those in ``__all__``, and those it is a front for."""
        exports = set(module.exports or ())
        names = exports | {name for name in (*module.definitions, *module.aliases) if "." not in name}
        if not exports:
            names |= {name for name, target in module.imports.items() if _is_front(module, target.rpartition(".")[0])}
        for star in module.stars:
            if _is_front(module, star) and (inner := self.module(star)):
                names |= set(inner.exports or ()) or self.public_names(inner)
        return {name for name in names if name[0] != "_"}


def is_public(module: str) -> bool:
    """Is ``module`` one to import from, going by its name?"""
    return module not in _HIDDEN and not any(part.startswith("_") for part in module.split("."))


def _is_front(module: Module, source: str) -> bool:
    """Is what ``module`` imports from ``source`` meant to be handed on?"""
    inside = module.is_package and source.startswith(f"{module.name}.")
    return inside or (source != "__future__" and not is_public(source))
