"""What the modules written in C define: they have no Python source, so they are imported and asked.

Only modules that come with Python itself are touched, and of those only the ones without a source, which do nothing
when imported but define things; see ``_ACTING`` for the exceptions.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import types
import warnings
from collections.abc import Iterable
from importlib.machinery import ExtensionFileLoader

from .sources import BUILT_IN, Definition, Kind, Module

__all__ = ["describe_types", "find_compiled", "inspect_module"]

_ACTING = frozenset({"readline", "ossaudiodev", "nis", "spwd", "_tkinter"})  # touch the terminal, devices or a display
_CALLABLE = (types.BuiltinFunctionType, types.MethodDescriptorType, types.ClassMethodDescriptorType, types.FunctionType)

_PARENTHESES = r"(\([^()]*(?:\([^()]*\)[^()]*)*\))"
_GIVES = r"(?:[ \t]*-+>[ \t]*(?:\([^()]*\)|\w+(?: \w+){0,2})(?:[.,:]\s|\n|\Z))?"


def find_compiled() -> list[str]:
    """List the public modules of the standard library that are written in C."""
    return [name for name in sorted(sys.stdlib_module_names) if name[0] != "_" and _is_compiled(name)]


def _is_compiled(name: str) -> bool:
    if name not in sys.stdlib_module_names or name in _ACTING or name.startswith(("_test", "_xx", "xx")):
        return False
    if name in sys.builtin_module_names:
        return True
    spec = importlib.util.find_spec(name)
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)


def inspect_module(name: str) -> Module | None:
    """Describe the C module ``name``; None when it has a Python source or is not there on this machine."""
    if not _is_compiled(name):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of modules about to be removed
            loaded = importlib.import_module(name)
    except ImportError:
        return None
    module = Module(name, BUILT_IN, doc=inspect.cleandoc(loaded.__doc__ or ""))
    for attribute in dir(loaded):
        value = getattr(loaded, attribute, None)
        name = value.__name__ if isinstance(value, type) else attribute
        if name != attribute and getattr(loaded, name, None) is value:
            module.aliases[attribute] = name
        elif not attribute.startswith("__"):
            _describe(module, attribute, value)
    return module


def describe_types(name: str, kinds: Iterable[type]) -> Module:
    """Describe classes that C code makes without naming them in a module, as the module ``name``."""
    module = Module(name, BUILT_IN)
    for kind in kinds:
        _describe(module, kind.__name__, kind)
    return module


def _describe(module: Module, name: str, value: object) -> None:
    if isinstance(value, type):
        _add(module, name, "class", value)
        for inner, member in vars(value).items():
            if not inner.startswith("_"):
                _describe_member(module, f"{name}.{inner}", member)
    elif isinstance(value, _CALLABLE):
        _add(module, name, "function", value)
    elif not isinstance(value, types.ModuleType):
        module.definitions[name] = Definition(module.name, name, "constant")  # its value may be this machine's alone


def _describe_member(module: Module, path: str, member: object) -> None:
    if isinstance(member, staticmethod | classmethod):
        member = member.__func__
    if isinstance(member, _CALLABLE):
        _add(module, path, "method", member)
    elif isinstance(member, types.GetSetDescriptorType | types.MemberDescriptorType | property):
        _add(module, path, "property", member)


def _add(module: Module, path: str, kind: Kind, value: object) -> None:
    doc = value.__doc__ if isinstance(value.__doc__, str) else ""
    signatures, doc = _split_signatures(path.rpartition(".")[2], inspect.cleandoc(doc))
    signature = "" if kind == "property" else _ask_signature(value) or next(iter(signatures), "")
    module.definitions[path] = Definition(module.name, path, kind, signature, doc, 0, _bases(value))


def _bases(value: object) -> tuple[str, ...]:
    return tuple(base.__name__ for base in value.__bases__) if isinstance(value, type) else ()


def _ask_signature(value: object) -> str:
    """Give the signature that C code declares, as text: ``inspect.signature`` would evaluate its defaults."""
    text = getattr(value, "__text_signature__", None)
    if not isinstance(text, str):
        return ""
    return " ".join(re.sub(r"\$\w+(?:, /)?(?:, )?", "", text).replace("<unrepresentable>", "...").split())


def _split_signatures(name: str, doc: str) -> tuple[list[str], str]:
    """Part the call forms that C docstrings open with from the text.

    >>> _split_signatures("pop", "D.pop(k[,d]) -> v, remove specified key.")
    (['(k[,d])'], 'remove specified key.')
    """
    signatures: list[str] = []
    call = re.compile(rf"\s*(?:\w+ = )?(?:\w+\.)*{re.escape(name)}{_PARENTHESES}{_GIVES}")
    while found := call.match(doc):
        signatures.append(" ".join(found[1].split()))
        doc = doc[found.end() :]
    return signatures, doc.lstrip(" .->:\n") if signatures else doc
