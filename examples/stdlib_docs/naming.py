"""The words in names: ``shutil.copytree`` is about copying a tree, ``os.rmdir`` about removing a directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from .documents import Document
from .vocabulary import ABBREVIATIONS
from .words import joined, split_words, stem, whole_name

__all__ = ["Naming"]

_OFTEN = 2  # documents that a word is in, to count as one that names are made of
_SHORTEST = 3
_COMMON, _LEAST_OF_COMMON = 20, 4  # "append" is a word of prose, not "app" and "end"; "filename" is "file" and "name"
_LONGEST = 20
_VERBS = ("is", "get", "set", "has")


class Naming:
    """Reads names with the words that the documents' own texts are made of."""

    def __init__(self, documents: Iterable[Document]) -> None:
        counts: Counter[str] = Counter()
        for document in documents:
            counts.update(set(split_words(document.text)))
        self._common = frozenset(word for word, count in counts.items() if count > _COMMON)
        self._words: dict[str, list[str]] = {}
        for word, count in counts.items():
            if count >= _OFTEN and len(word) >= _SHORTEST and word.isalpha():
                self._words.setdefault(stem(word), []).append(word)

    def words(self, document: Document) -> frozenset[str]:
        """Give the stems of the names of ``document``: whole, and of the best one also in parts and written out."""
        found: set[str] = set()
        for name in (document.name, *document.also):
            pieces = name.split(".")
            found.update(joined(".".join(pieces[-many:])) for many in range(1, len(pieces) + 1))
        found.add(whole_name(joined(document.name.rpartition(".")[2])))
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
        least = _LEAST_OF_COMMON if word in self._common else 2
        for at in range(len(word) - least, least - 1, -1):
            first, rest = word[:at], word[at:]
            if self._is_word(first):
                if self._is_word(rest):
                    return first, rest
                if (more := self._split(rest)) and len(more) == 2:
                    return first, *more
        return () if word in self._common else _split_verb(word)

    def _is_word(self, part: str) -> bool:
        """Is ``part`` known, or the beginning of a word that differs from it only by its ending?"""
        known = self._words.get(stem(part), ()) if len(part) >= _SHORTEST else ()
        return part in ABBREVIATIONS or any(word.startswith(part) for word in known)


def _split_verb(word: str) -> tuple[str, ...]:
    """Part a verb that many names begin with from a rest that is not known: ``isdisjoint``."""
    verb = next((verb for verb in _VERBS if word.startswith(verb) and len(word) - len(verb) > _SHORTEST), "")
    return (verb, word.removeprefix(verb)) if verb else ()
