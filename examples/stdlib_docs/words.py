"""Words of prose and of identifiers, reduced to stems, so that a question and a docstring meet.

``parsing``, ``parser`` and ``parse`` have one stem, ``TaskGroup`` and ``task_group`` the same words. The index stores
stems and a search asks for stems, so what users type is never part of a query's syntax.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["joined", "split_words", "stem", "stems", "whole_name"]

_TOKEN = re.compile(r"[^\W_]+")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+[0-9]*|[A-Z]+[0-9]*|[0-9]+|\w+")
# Each with the least that must be left of the word; the first that fits is cut.
_ENDINGS = (
    *(("ication", 3), ("icating", 3), ("icated", 3), ("icate", 3)),
    *(("ation", 3), ("ator", 3), ("ating", 3), ("ated", 3), ("ate", 3), ("able", 3), ("ible", 3), ("ment", 5)),
    *(("ness", 4), ("ion", 3), ("ing", 3), ("er", 3), ("or", 3), ("ed", 3), ("ly", 4)),
)
_KEPT = frozenset("author color enumeration error floor folder header mode number order state version".split())


def split_words(text: str) -> list[str]:
    """Give the words of ``text`` in lower case; identifiers fall into theirs.

    >>> split_words("asyncio.TaskGroup reads HTTPServer, perf_counter")
    ['asyncio', 'task', 'group', 'reads', 'http', 'server', 'perf', 'counter']
    """
    plain = text if text.isascii() else _without_accents(text)
    return [part.lower() for token in _TOKEN.findall(plain) for part in _PART.findall(token)]


def _without_accents(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Cut the endings of a word in lower case, so that its forms meet.

    >>> [stem(word) for word in ("parser", "parsing", "parses", "cancellation", "cancelled", "copies", "copied")]
    ['pars', 'pars', 'pars', 'cancel', 'cancel', 'cop', 'cop']
    """
    word = _singular(word)
    if word in _KEPT or not word.isalpha():
        return word
    for ending, least in _ENDINGS:
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= least and not (ending[0] == "a" and rest[-1] in "eo"):  # create, floating
            word = _single(rest)
            break
    return word[:-1] if len(word) > 3 and word[-1] in "eiy" else word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses", "zzes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] not in "siu" else word


def _single(word: str) -> str:
    """Undo the doubling in ``stopp(ing)``; ``add``, ``pass`` and ``call`` are so by themselves."""
    doubled = len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sz"
    return word[:-1] if doubled and (len(word) > 4 or word[-1] not in "lf") else word


def stems(text: str) -> list[str]:
    """Give the stems of the words of ``text``, in their order."""
    return [stem(word) for word in split_words(text)]


def joined(identifier: str) -> str:
    """Give the stem of an identifier as one word: ``TaskGroup``, ``task_group`` and ``taskgroup`` are the same."""
    return stem("".join(split_words(identifier)))


def whole_name(word: str) -> str:
    """Mark a joined word as the whole of a name's last part: no stem begins with the mark."""
    return f"0{word}"
