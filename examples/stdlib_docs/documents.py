"""The documents of the standard library: every public thing once, with what is written about it.

Which things there are is left to ``catalogue``, and where they are read from to ``sources`` and ``inspection``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path

from .catalogue import Catalogue, Key, shown_name
from .inspection import describe_types, find_compiled, inspect_module
from .names import Library
from .sources import BUILT_IN, Definition, Kind, Module, find_sources, read_module
from .usage import Usage

__all__ = ["Document", "Progress", "collect_documents"]

Progress = Callable[[int, int], None]

_MOST_NAMES = 4


@dataclass(frozen=True, slots=True)
class Document:
    """One public thing and what is written about it.

    ``also`` are other names of it, ``file`` is relative to the standard library's folder, or "built-in", ``parent``
    says in a line what it belongs to, ``likelihood`` how likely it is asked for, whatever the question. ``words`` are
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
    likelihood: float = 1.0
    words: frozenset[str] = frozenset()
    parts: tuple[frozenset[str], ...] = ()

    @property
    def place(self) -> str:
        """Where it is defined: ``asyncio/taskgroups.py:12``, or ``built-in``."""
        return f"{self.file}:{self.line}" if self.line else self.file


def collect_documents(progress: Progress | None = None, *, root: Path | None = None) -> list[Document]:
    """Read the whole standard library (below ``root``) and give its documents by name, their ids counting from 1.

    ``progress(done, total)`` is called for each module that was read. Raises ``NoSources``.
    """
    library = Library(_read_all(progress, root))
    catalogue = Catalogue(library)
    usage = Usage(catalogue)
    documents = [_describe_module(module, library, usage) for module in catalogue.modules]
    documents += [_describe(key, catalogue, usage) for key in catalogue.things]
    worth = sorted((document for document in documents if _is_worth(document)), key=lambda document: document.name)
    return [replace(document, id=number) for number, document in enumerate(worth, 1)]


def _read_all(progress: Progress | None, root: Path | None) -> dict[str, Module]:
    sources, compiled = find_sources(root), find_compiled()
    modules = {"_sre": describe_types("_sre", (re.Pattern, re.Match))}
    for done, name in enumerate([*sources, *compiled], 1):
        module = read_module(name, sources[name]) if name in sources else inspect_module(name)
        if module is not None:
            modules[name] = module
        if progress:
            progress(done, len(sources) + len(compiled))
    return modules


def _describe(key: Key, catalogue: Catalogue, usage: Usage) -> Document:
    library, thing = catalogue.library, catalogue.things[key]
    module = library.module(thing.module)
    names = usage.order(key)
    is_plain = thing.kind == "method" and catalogue.is_module(names[0].rpartition(".")[0])  # like random.choice
    text = _find_text(thing, library) or _find_mention(module, names[0])
    is_deprecated = (module is not None and module.deprecated) or "deprecated" in text[:80].lower()
    return Document(
        id=0,
        name=names[0],
        kind="function" if is_plain else thing.kind,
        signature=f"{'async ' * thing.is_async}{names[0]}{_find_signature(thing, library)}",
        text=text or _list_names(member.path.rpartition(".")[2] for member in library.members(thing)),
        module=shown_name(thing.module),
        file=module.file if module else BUILT_IN,
        line=thing.line,
        also=tuple(names[1:_MOST_NAMES]),
        parent=_describe_parent(thing, module, library),
        likelihood=usage.likelihood(thing, names, is_silent=not text, is_deprecated=is_deprecated),
    )


def _describe_module(module: Module, library: Library, usage: Usage) -> Document:
    name = shown_name(module.name)
    other = library.module(module.imports.get("__doc__", "").removesuffix(".__doc__"))
    text = module.doc or (other.doc if other else "") or _list_names(library.public_names(module))
    line = 0 if module.file == BUILT_IN else 1
    likelihood = usage.module_likelihood(module)
    return Document(0, name, "module", f"module {name}", text, name, module.file, line, likelihood=likelihood)


def _find_text(thing: Definition, library: Library) -> str:
    """Give what is written about ``thing``, or about what it replaces in a base class."""
    if thing.doc:
        return thing.doc
    if thing.kind == "class":
        return next((base.doc for base in library.ancestors(thing) if base.doc and base.module != "builtins"), "")
    owner, _, member = thing.path.rpartition(".")
    known = library.find(f"{thing.module}.{owner}") if owner else None
    bases = library.ancestors(known) if known else ()
    replaced = (library.find(f"{base.module}.{base.path}.{member}") for base in bases)
    return next((one.doc for one in replaced if one and one.doc), "")


def _find_signature(thing: Definition, library: Library) -> str:
    """Give the signature of ``thing``; a class without its own has that of a base."""
    bases = library.ancestors(thing) if thing.kind == "class" else ()
    return next((one.signature for one in (thing, *bases) if one.signature), "")


def _describe_parent(thing: Definition, module: Module | None, library: Library) -> str:
    owner = library.find(f"{thing.module}.{thing.path.rpartition('.')[0]}") if "." in thing.path else None
    doc = owner.doc if owner else module.doc if module else ""
    return " ".join(doc.split("\n\n")[0].split())


def _is_worth(document: Document) -> bool:
    """Is there anything to say about it? Thousands of constants have only a name."""
    return document.kind != "constant" or bool(document.text)


def _list_names(names: Iterable[str]) -> str:
    found = sorted(names)
    return f"Members: {', '.join(found)}." if found else ""


def _find_mention(module: Module | None, name: str) -> str:
    """Give the lines of the module's docstring about ``name``, for what has no docstring itself."""
    last = re.compile(rf"\b{re.escape(name.rpartition('.')[2])}\b")
    lines = module.doc.splitlines() if module else []
    for at, line in enumerate(lines):
        if last.search(line):
            return "\n".join([line.strip(), *takewhile(partial(_is_below, line), lines[at + 1 :])])
    return ""


def _is_below(head: str, line: str) -> bool:
    """Is ``line`` indented more than ``head``?"""
    return bool(line.strip()) and len(line) - len(line.lstrip()) > len(head) - len(head.lstrip())
