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
_QUOTED = re.compile(r"`([^`]*)`|(?<!\w)'([^']*)'(?!\w)|\"([^\"]*)\"")
_IDENTIFIER = re.compile(r"[^\W_]\w*[._]\w|[a-z]+[A-Z]|[A-Z]+[a-z0-9]+[A-Z]")
_LIBRARY = re.compile(r"\bstandard library\b", re.IGNORECASE)
# How well a word stands for another: one that means the same, one that a phrase suggests.
_RELATED, _PHRASE = 0.75, 0.9
_WEAK = 0.5


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that a question asks about.

    ``forms`` are the stems that may stand for ``word``, each with its strength. An identifier is a name in Python; a
    literal is a value or a name of the asker's own, which says something only if the library knows it too.
    """

    word: str
    forms: Mapping[str, float]
    weight: float = 1.0
    is_identifier: bool = False
    is_literal: bool = False


def find_terms(question: str) -> tuple[Term, ...]:
    """Give what ``question`` asks about, in its order, each thing once.

    >>> [term.word for term in find_terms("How do I cancel a `TaskGroup` or an asyncio.Task?")]
    ['cancel', 'TaskGroup', 'asyncio.Task']
    >>> find_terms("How do I do it?")
    ()
    """
    words = list(_content_words(question))
    quoted = {word for groups in _QUOTED.findall(question) for part in groups for word in _content_words(part)}
    terms: dict[str, Term] = {}
    for at, word in enumerate(words):
        forms = _forms(word)
        for name in (*_phrase(words, at - 1), *_phrase(words, at)):
            forms.setdefault(joined(name), _PHRASE)
        is_identifier = bool(_IDENTIFIER.match(word))
        is_literal = word in quoted or any(map(str.isdigit, word)) or (is_identifier and "_" in word)
        weight = _WEAK if stem(word) in WEAK_WORDS else 1.0
        terms.setdefault(joined(word), Term(word, forms, weight, is_identifier, is_literal))
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
    return dict.fromkeys((joined(name) for name in RELATED.get((stem(word),), ())), _RELATED) | {stem(word): 1.0}


def _phrase(words: list[str], at: int) -> tuple[str, ...]:
    """Give what the words at ``at`` and after it may mean together."""
    return RELATED.get(tuple(sorted(map(stem, words[at : at + 2]))), ()) if 0 <= at < len(words) - 1 else ()


def make_searches(question: str) -> tuple[str, ...]:
    """Make at most six searches of ``question``, the most promising first; none when it says nothing.

    >>> make_searches("How do I flatten a nested list?")[0]
    'flatten nested list'
    >>> make_searches("What is this?")
    ()
    """
    terms = find_terms(question)
    words = [term.word for term in terms if not term.is_literal]
    phrases = [name for at in range(len(words)) for name in _phrase(words, at)]
    related = [name for word in words for name in RELATED.get((stem(word),), ())]
    searches = [
        words,
        [term.word for term in terms if term.is_identifier or term.is_literal],
        [*phrases, *words] if phrases else [],
        [*related, *words] if related else [],
        *(words[at : at + 2] for at in range(len(words) - 1)),
    ]
    return tuple(dict.fromkeys(" ".join(search) for search in searches if search))[:_MOST_SEARCHES]
