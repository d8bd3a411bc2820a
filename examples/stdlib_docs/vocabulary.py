"""What people say and what docstrings say: weightless words, abbreviations, and words that stand for others.

The words are in ``vocabulary.toml``; here they are reduced to stems.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from .words import split_words, stem

__all__ = ["ABBREVIATIONS", "content_stems", "content_words", "is_weak", "related"]

_TABLES: dict[str, str] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_STOP_WORDS = frozenset(_TABLES["stop_words"].split())
_WEAK_STEMS = frozenset(map(stem, _TABLES["weak_words"].split()))

ABBREVIATIONS: dict[str, tuple[str, ...]] = {
    short: tuple(words.split())
    for short, _, words in (line.partition(": ") for line in _TABLES["abbreviations"].splitlines())
}


_SAME = [line.split() for line in _TABLES["same"].splitlines()]
_FIRST: dict[str, str] = {}  # the stem of the first of the words that mean the same
for _words in _SAME:
    for _word in _words:
        _FIRST.setdefault(stem(_word), stem(_words[0]))


def _key(words: Iterable[str]) -> tuple[str, ...]:
    """Two words are looked up in any order and under any word that means the same; one word as it is."""
    found = [stem(word) for word in words]
    return tuple(found) if len(found) == 1 else tuple(sorted(_FIRST.get(word, word) for word in found))


def _relate() -> dict[tuple[str, ...], dict[str, None]]:
    found: dict[tuple[str, ...], dict[str, None]] = {}
    for words in _SAME:
        for word in words:
            found.setdefault(_key([word]), {}).update(dict.fromkeys(other for other in words if other != word))
    for line in _TABLES["hints"].splitlines():
        said, _, names = line.partition(": ")
        found.setdefault(_key(said.split()), {}).update(dict.fromkeys(names.split()))
    return found


_RELATED = _relate()


def related(*words: str) -> tuple[str, ...]:
    """Give the words that may stand for ``words``, one or two that stand together.

    >>> related("folder")
    ('directory', 'dir')
    >>> related("folder", "current") == related("current", "directory")
    True
    >>> related("sandwich")
    ()
    """
    return tuple(_RELATED.get(_key(words), ()))


def is_weak(word: str) -> bool:
    """Does ``word`` say little about what is asked?"""
    return stem(word) in _WEAK_STEMS


def content_words(text: str) -> list[str]:
    """Give the words of ``text`` that say something, in their order.

    >>> content_words("How do I copy a directory tree?")
    ['copy', 'directory', 'tree']
    """
    return [word for word in split_words(text) if word not in _STOP_WORDS and len(word) > 1]


def content_stems(text: str) -> frozenset[str]:
    """Give the stems of the words of ``text`` that say something."""
    return frozenset(map(stem, content_words(text)))
