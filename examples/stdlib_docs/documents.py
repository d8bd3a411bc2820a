"""The documents of the standard library: every public thing once, under the name people know it by.

``asyncio.TaskGroup`` is defined in ``asyncio/taskgroups.py``, ``os.path.join`` in ``posixpath.py``, ``random.choice``
is a method of a hidden instance, ``csv.reader`` is written in C.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from .inspection import describe_types, find_compiled, inspect_module
from .names import Library, is_public
from .sources import Definition, Kind, Module, find_sources, read_module

__all__ = ["Document", "Progress", "collect_documents", "likelihood"]

Progress = Callable[[int, int], None]

_KNOWN_AS = {os.path.__name__: "os.path"}
# Modules whose functions are the methods of an object they make at run time.
_TYPES = {"re.Pattern": "_sre.Pattern", "re.Match": "_sre.Match"}  # made by C code that gives them no name
_OBJECTS = {"multiprocessing": "multiprocessing.context.DefaultContext"}
_MOST_NAMES = 4


@dataclass(frozen=True, slots=True)
class Document:
    """One public thing and what is written about it.

    ``also`` are other names of it, ``uses`` counts how often the standard library itself names it, ``file`` is
    relative to the standard library's folder, or "built-in". ``parent`` says in a line what it belongs to. ``words`` are
    the stems of its names, ``parts`` those of the last part of its name, with what they are short for.
    """

    id: int
    name: str
    kind: Kind
    signature: str
    text: str
    module: str
    file: str
    line: int
    also: tuple[str, ...] = ()
    parent: str = ""
    uses: int = 0
    deprecated: bool = False
    owner_uses: int = 0
    words: frozenset[str] = frozenset()
    parts: tuple[frozenset[str], ...] = ()

    @property
    def place(self) -> str:
        """Where it is defined: ``asyncio/taskgroups.py:12``, or ``built-in``."""
        return f"{self.file}:{self.line}" if self.line else self.file


def likelihood(document: Document) -> float:
    """Say how likely a document is asked for, whatever the question; 1 is usual."""
    likely = 1 + 0.04 * math.log2(1 + document.uses)
    likely *= {"constant": 0.75, "property": 0.85, "module": 0.9}.get(document.kind, 1.0)
    likely *= 0.95 ** max(0, document.name.count(".") - 1)
    return likely * (0.5 if document.deprecated else 1.0) * (1.0 if document.text else 0.8)


def collect_documents(progress: Progress | None = None, *, root: Path | None = None) -> list[Document]:
    """Read the whole standard library (below ``root``) and give its documents, their ids counting from 1.

    ``progress(done, total)`` is called for each module that was read. Raises ``NoSources``.
    """
    library = Library(_read_all(progress, root))
    uses = _count_uses(module.text for module in library.modules.values())
    return _Collector(library, uses).collect()


def _read_all(progress: Progress | None, root: Path | None) -> dict[str, Module]:
    sources, compiled = find_sources(root), find_compiled()
    modules = {"_sre": describe_types("_sre", (re.Pattern, re.Match))}
    for done, name in enumerate([*sources, *compiled], 1):
        module = read_module(name, sources[name], _file(name, sources[name])) if name in sources else inspect_module(name)
        if module is not None:
            modules[name] = module
        if progress:
            progress(done, len(sources) + len(compiled))
    return modules


def _file(name: str, path: Path) -> str:
    """Where the module is, below the folder of the standard library."""
    return "/".join(path.parts[-len(name.split(".")) - (path.name == "__init__.py") :])


_DOTTED = re.compile(r"\b[A-Za-z]\w*(?:\.[A-Za-z]\w*)+")
_CALLED = re.compile(r"(?<![\w.])([a-z]+)\(")
_IMPORTED = re.compile(r"^\s*from ([\w.]+) import (\([^()]*\)|.*)", re.MULTILINE)


def _count_uses(texts: Iterable[str]) -> Counter[str]:
    """Count the dotted names in the texts, the attributes (``.strip``), and what is imported out of a module."""
    uses: Counter[str] = Counter()
    for text in texts:
        dotted = _DOTTED.findall(text)
        uses.update(dotted)
        uses.update(name[name.rindex(".") :] for name in dotted)
        uses.update(f"builtins.{name}" for name in _CALLED.findall(text))
        for source, names in _IMPORTED.findall(text):
            uses.update(f"{source}.{name}" for name in re.findall(r"\w+", names))
    return uses


class _Collector:
    """Gives every definition its names, and every name its document."""

    def __init__(self, library: Library, uses: Counter[str]) -> None:
        self.library = library
        self.uses = uses
        self.names: dict[_Key, set[str]] = {}
        self.things: dict[_Key, Definition] = {}
        self.exported: set[str] = set()
        self.sharing: Counter[str] = Counter()
        self.module_uses: Counter[str] = Counter()

    def collect(self) -> list[Document]:
        public = [module for module in self.library.modules.values() if is_public(_shown(module.name))]
        for module in public:
            self._gather_names(module)
        for dotted, count in self.uses.items():
            self.module_uses[dotted.rpartition(".")[0]] += count
        self.module_uses = Counter({name: self.module_uses[name] for name in map(_shown, self.library.modules)})
        self.sharing = Counter(thing.path.rpartition(".")[2] for thing in self.things.values())
        documents = [self._document_module(module) for module in public]
        documents += [self._document(key) for key in self.things]
        documents = [document for document in documents if _is_worth(document)]
        documents.sort(key=lambda document: document.name)
        return [replace(document, id=number) for number, document in enumerate(documents, 1)]

    def _gather_names(self, module: Module) -> None:
        for name in sorted(self.library.public_names(module)):
            dotted = f"{_shown(module.name)}.{name}"
            if dotted in self.library.modules or dotted in _KNOWN_AS.values():
                continue
            found = self.library.find(_TYPES.get(dotted, f"{module.name}.{name}")) or self._find_below(module, name)
            exported = name in (module.exports or ())
            if exported or not module.exports:
                self.exported.add(dotted)
            if found and (found.module != "builtins" or name == found.path):  # no "socket.error" for OSError
                self._add(found, dotted)
            elif exported and not found:
                self._add(Definition(module.name, name, "constant"), dotted)
        if module.name in _OBJECTS and (thing := self.library.find(_OBJECTS[module.name])):
            self._add_members(thing, module.name)
            for path in self.library.aliases(thing):
                if found := self.library.find(f"{thing.module}.{path}"):
                    self._add(found, f"{module.name}.{path.rpartition('.')[2]}")

    def _find_below(self, module: Module, name: str) -> Definition | None:
        """Find a name that a package imports only when it is asked for (``concurrent.futures``)."""
        for other in self.library.modules.values() if module.is_package else ():
            if other.name.startswith(f"{module.name}.") and name in other.definitions:
                return other.definitions[name]
        return None

    def _add(self, thing: Definition, name: str) -> None:
        key, name = (thing.module, thing.path), name.removeprefix("builtins.")
        if name not in self.names.setdefault(key, set()):
            self.names[key].add(name)
            self.things[key] = thing
            self._add_members(thing, name)

    def _add_members(self, thing: Definition, name: str) -> None:
        known: set[str] = set()
        for owner in (thing, *self.library.ancestors(thing)):
            if owner is thing or owner.module != "builtins":
                for member in self.library.members(owner):
                    short = member.path[len(owner.path) :]
                    if short not in known:
                        known.add(short)
                        self._add(member, name + short)

    def _document(self, key: _Key) -> Document:
        thing = self.things[key]
        module = self.library.module(thing.module)
        names = sorted(self.names[key], key=lambda name: self._rank_name(name, thing))
        text = self._text(thing) or _find_mention(module, names[0])
        return Document(
            id=0,
            name=names[0],
            kind="function" if thing.kind == "method" and self._is_plain(names[0]) else thing.kind,
            signature=f"{'async ' * thing.is_async}{names[0]}{self._signature(thing)}",
            text=text or self._list_members(thing),
            module=_shown(thing.module),
            file=module.file if module else "built-in",
            line=thing.line,
            also=tuple(names[1:_MOST_NAMES]),
            parent=self._parent(thing, module),
            uses=max(self._count(thing, names[0]), *(self.uses[name] for name in names)),
            owner_uses=self._owner_uses(names[0]),
            deprecated=(module is not None and module.deprecated) or "deprecated" in text[:80].lower(),
        )

    def _document_module(self, module: Module) -> Document:
        name = _shown(module.name)
        uses = self.module_uses[name]
        other = self.library.module(module.imports.get("__doc__", "").removesuffix(".__doc__"))
        text = module.doc or (other.doc if other else "") or _listing(self.library.public_names(module))
        signature, file = f"module {name}", module.file
        return Document(0, name, "module", signature, text, name, file, 1, (), "", uses, module.deprecated, uses)

    def _rank_name(self, name: str, thing: Definition) -> tuple[object, ...]:
        """The best name is short and offered, then says where the thing is defined, then is in most use."""
        same, defined = f".{name}".endswith(f".{thing.path}"), name.startswith(_shown(thing.module))
        return name.count("."), name not in self.exported, not same, not defined, -self.uses[name], name

    def _text(self, thing: Definition) -> str:
        """What is written about ``thing``, or about what it replaces in a base class."""
        if thing.doc or thing.kind == "class":
            bases = [thing, *(b for b in self.library.ancestors(thing) if b.module != "builtins")]
            return next((base.doc for base in bases if base.doc), "")
        owner, _, member = thing.path.rpartition(".")
        known = self.library.find(f"{thing.module}.{owner}") if owner else None
        for base in self.library.ancestors(known) if known else ():
            found = self.library.find(f"{base.module}.{base.path}.{member}")
            if found and found.doc:
                return found.doc
        return ""

    def _signature(self, thing: Definition) -> str:
        if thing.kind == "class" and not thing.signature:
            return next((base.signature for base in self.library.ancestors(thing) if base.signature), "")
        return thing.signature

    def _count(self, thing: Definition, name: str) -> int:
        """Say how often something is named, as far as can be told when no module stands before its name."""
        last = thing.path.rpartition(".")[2]
        if thing.kind == "method":
            return self.uses[f".{last}"] // self.sharing[last]
        return self.uses[f"builtins.{name}"] if thing.module == "builtins" else 0

    def _owner_uses(self, name: str) -> int:
        owner = name.rpartition(".")[0]
        if owner in self.module_uses:
            return self.module_uses[owner]
        return max(self.uses[owner], self.uses[f"builtins.{owner}"]) if owner else sum(self.uses.values()) // 100

    def _is_plain(self, name: str) -> bool:
        """Is a method known as a plain function of a module (``random.choice``)?"""
        owner = name.rpartition(".")[0]
        return owner in self.library.modules or owner in _KNOWN_AS.values()

    def _list_members(self, thing: Definition) -> str:
        return _listing(member.path.rpartition(".")[2] for member in self.library.members(thing))

    def _parent(self, thing: Definition, module: Module | None) -> str:
        owner = self.library.find(f"{thing.module}.{thing.path.rpartition('.')[0]}") if "." in thing.path else None
        return _first_line(owner.doc if owner else module.doc if module else "")


_Key = tuple[str, str]


def _shown(module: str) -> str:
    return _KNOWN_AS.get(module, module)


def _is_worth(document: Document) -> bool:
    """Is there anything to say about it? Thousands of constants have only a name."""
    return document.kind != "constant" or bool(document.text) or document.uses > 0


def _listing(names: Iterable[str]) -> str:
    found = sorted(names)
    return f"Members: {', '.join(found)}." if found else ""


def _first_line(doc: str) -> str:
    return " ".join(doc.split("\n\n")[0].split())


def _find_mention(module: Module | None, name: str) -> str:
    """Give the lines of the module's docstring about ``name``, for what has no docstring itself."""
    last = name.rpartition(".")[2]
    lines = (module.doc if module else "").splitlines()
    for at, line in enumerate(lines):
        if re.search(rf"\b{re.escape(last)}\b", line):
            depth = len(line) - len(line.lstrip())
            rest = takewhile(lambda text: text.strip() and len(text) - len(text.lstrip()) > depth, lines[at + 1 :])
            return "\n".join([line.strip(), *rest])
    return ""
