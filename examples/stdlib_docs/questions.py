"""What a question asks about: its words without the weightless ones, what else may be meant by them, and searches.

The plan is made by rules. A model could make a better one: whatever gives a tuple of searches fits in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .vocabulary import RELATED, STOP_WORDS, WEAK_WORDS
from .words import joined, split_words, stem

__all__ = ["Term", "find_terms", "make_searches"]

_MOST_SEARCHES = 6
_TOKEN = re.compile(r"[^\W_]\w*(?:\.[^\W_]\w*)*")
_IDENTIFIER = re.compile(r"[^\W_]\w*[._]\w|[a-z]+[A-Z]|[A-Z]+[a-z0-9]+[A-Z]")
_RELATED = 0.7
_WEAK = 0.5
_LIBRARY = re.compile(r"\bstandard library\b", re.IGNORECASE)
_PHRASE = 0.9


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that a question asks about: the word, and the stems that may stand for it, each with its strength."""

    word: str
    forms: Mapping[str, float]
    is_identifier: bool = False
    weight: float = 1.0


def find_terms(question: str) -> tuple[Term, ...]:
    """Give what ``question`` asks about, in its order, each thing once.

    >>> [term.word for term in find_terms("How do I cancel a `TaskGroup` or an asyncio.Task?")]
    ['cancel', 'TaskGroup', 'asyncio.Task']
    >>> find_terms("How do I do it?")
    ()
    """
    words = list(_content_words(question))
    terms: dict[str, Term] = {}
    for at, word in enumerate(words):
        forms = _forms(word)
        for pair in (words[at - 1 : at + 1], words[at : at + 2]):
            for name in RELATED.get(tuple(sorted(map(stem, pair))), ()) if len(pair) == 2 else ():
                forms[joined(name)] = _PHRASE
        terms.setdefault(joined(word), Term(word, forms, bool(_IDENTIFIER.match(word)), _WEAK if stem(word) in WEAK_WORDS else 1.0))
    return tuple(terms.values())


def _content_words(question: str) -> Iterator[str]:
    for token in _TOKEN.findall(_LIBRARY.sub(" ", question)):
        if _IDENTIFIER.match(token):
            yield token
        else:
            yield from (word for word in split_words(token) if word not in STOP_WORDS and len(word) > 1)


def _forms(word: str) -> dict[str, float]:
    if _IDENTIFIER.match(word):
        return {joined(word): 1.0}
    return {stem(word): 1.0} | {joined(name): _RELATED for name in RELATED.get((stem(word),), ()) if stem(name) != stem(word)}


def make_searches(question: str) -> tuple[str, ...]:
    """Make at most six searches of ``question``, the most promising first; none when it says nothing.

    >>> make_searches("How do I flatten a nested list?")[0]
    'flatten nested list'
    >>> make_searches("What is this?")
    ()
    """
    terms = find_terms(question)
    words = [term.word for term in terms]
    related = [list(_related(words, at)) for at in range(len(words))]
    searches = [
        " ".join(words),
        " ".join(term.word for term in terms if term.is_identifier),
        " ".join(dict.fromkeys(name for names in related for name in names)),
        *(" ".join([word, *words[at + 1 : at + 2]]) for at, word in enumerate(words)),
    ]
    return tuple(dict.fromkeys(search for search in searches if search))[:_MOST_SEARCHES]


def _related(words: list[str], at: int) -> Iterator[str]:
    yield from RELATED.get(tuple(sorted(map(stem, words[at : at + 2]))), ())
    yield from RELATED.get((stem(words[at]),), ())
