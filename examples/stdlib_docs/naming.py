"""The words in names: ``shutil.copytree`` is about copying a tree, ``os.rmdir`` about removing a directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from .documents import Document
from .vocabulary import ABBREVIATIONS
from .words import joined, split_words, stem

__all__ = ["Naming"]

_OFTEN = 2  # documents that a word is in, to count as one that names are made of
_SHORTEST = 3
_LONGEST = 20


class Naming:
    """Reads names with the words that the documents' own texts are made of."""

    def __init__(self, documents: Iterable[Document]) -> None:
        counts: Counter[str] = Counter()
        for document in documents:
            counts.update(set(split_words(document.text)))
        words = {word for word, count in counts.items() if count >= _OFTEN and len(word) >= _SHORTEST and word.isalpha()}
        self._words = words | ABBREVIATIONS.keys()

    def words(self, document: Document) -> frozenset[str]:
        """Give the stems of the names of ``document``: whole, and of the best one also in parts and written out."""
        found: set[str] = set()
        for name in (document.name, *document.also):
            pieces = name.split(".")
            found.update(joined(".".join(pieces[-many:])) for many in range(1, len(pieces) + 1))
        found.add(f"0{joined(document.name.rpartition('.')[2])}")
        return frozenset(found.union(*self._parts(document.name)) - {""})

    def parts(self, document: Document) -> tuple[frozenset[str], ...]:
        """Give the stems of each part of the last name, with what it is short for."""
        return tuple(self._parts(document.name.rpartition(".")[2]))

    def _parts(self, name: str) -> Iterator[frozenset[str]]:
        for word in split_words(name):
            for part in self._split(word) or (word,):
                yield frozenset(map(stem, (part, *ABBREVIATIONS.get(part, ()))))

    def _split(self, word: str) -> tuple[str, ...]:
        """Part a name written as one word into two or three that are known."""
        if not 5 <= len(word) <= _LONGEST:
            return ()
        for at in range(len(word) - 2, 1, -1):
            first, rest = word[:at], word[at:]
            if first in self._words:
                if rest in self._words:
                    return first, rest
                if (more := self._split(rest)) and len(more) == 2:
                    return first, *more
        return ()
