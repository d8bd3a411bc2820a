"""What a question asks about: its words without the weightless ones, what else may be meant by them, and searches.

The plan is made by rules. A model could make a better one: whatever gives a tuple of searches fits in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .vocabulary import content_words, is_weak, related
from .words import joined, whole_name

__all__ = ["Term", "asked_stems", "find_terms", "make_searches"]

_TOKEN = re.compile(r"[^\W_]\w*(?:\.[^\W_]\w*)*")
_QUOTED = re.compile(r"`([^`]*)`|(?<!\w)'([^']*)'(?!\w)|\"([^\"]*)\"")
_IDENTIFIER = re.compile(r"[^\W_]\w*[._]\w|[a-z]+[A-Z]|[A-Z]+[a-z0-9]+[A-Z]")
_TOOL = re.compile(r"\b(?:using|with|in|via) (?:an? |the )?(\w+)|\b([A-Z]\w*)")
_LIBRARY = re.compile(r"\bstandard library\b", re.IGNORECASE)
# How well a word stands for another: one that means the same, one that a phrase suggests.
_RELATED, _PHRASE = 0.75, 0.9
_WEAK = 0.55
_NEAR = 2


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that a question asks about.

    ``forms`` are the stems that may stand for ``word``, each with its strength. An identifier is a name in Python; a
    literal is a value or a name of the asker's own, which says something only if the library knows it too. A tool is
    written like the name of something: with a capital letter, or after ``using`` or ``with``.
    """

    word: str
    stem: str
    forms: Mapping[str, float]
    weight: float = 1.0
    is_identifier: bool = False
    is_literal: bool = False
    is_tool: bool = False

    @property
    def own_name(self) -> str:
        """The form that only a document has whose name is this word, whatever it belongs to."""
        return _own_name(self.word)

    @property
    def has_related(self) -> bool:
        """Are there other words for it?"""
        return any(strength < 1 for strength in self.forms.values())

    @property
    def is_name(self) -> bool:
        """Is it surely the name of something in Python, and no variable of the asker's?"""
        return self.is_identifier and ("." in self.word or not self.is_literal)


def find_terms(question: str) -> tuple[Term, ...]:
    """Give what ``question`` asks about, in its order, each thing once.

    >>> [term.word for term in find_terms("How do I cancel a `TaskGroup` or an asyncio.Task?")]
    ['cancel', 'TaskGroup', 'asyncio.Task']
    >>> find_terms("How do I do it?")
    ()
    """
    words = list(_find_words(question))
    quoted = {word for groups in _QUOTED.findall(question) for part in groups for word in _find_words(part)}
    tools = {word.lower() for groups in _TOOL.findall(question) for word in groups}
    terms: dict[str, Term] = {}
    for at, word in enumerate(words):
        forms = _forms(word)
        for name in _phrases(words, at):
            forms.setdefault(joined(name), _PHRASE)
        is_identifier = bool(_IDENTIFIER.match(word))
        is_literal = word in quoted or any(map(str.isdigit, word)) or ("_" in word and "." not in word)
        own = joined(word)
        if is_literal:
            forms[_own_name(word)] = 1.0
        weight = _WEAK if is_weak(word) else 1.0
        is_tool = word.lower() in tools
        terms.setdefault(own, Term(word, own, forms, weight, is_identifier, is_literal, is_tool))
    return tuple(terms.values())


def _find_words(question: str) -> Iterator[str]:
    for token in _TOKEN.findall(_LIBRARY.sub(" ", question)):
        if _IDENTIFIER.match(token):
            yield token
        else:
            yield from content_words(token)


def _own_name(word: str) -> str:
    return whole_name(joined(word.rpartition(".")[2]))


def _forms(word: str) -> dict[str, float]:
    if _IDENTIFIER.match(word):
        return {joined(word): 1.0}
    return dict.fromkeys(map(joined, related(word)), _RELATED) | {joined(word): 1.0}


def _phrases(words: list[str], at: int) -> Iterator[str]:
    """Give what the word at ``at`` may mean together with one that stands near it."""
    for other in words[max(0, at - _NEAR) : at] + words[at + 1 : at + 1 + _NEAR]:
        yield from related(words[at], other)


def asked_stems(question: str) -> tuple[str, ...]:
    """Give all stems that may stand for what ``question`` asks about, to be weighed."""
    return tuple(dict.fromkeys(form for term in find_terms(question) for form in term.forms))


def make_searches(question: str) -> tuple[str, ...]:
    """Make at most five searches of ``question``, each another way to ask; none when it says nothing.

    A word after ``=`` is to be the whole name of what is found.

    >>> for search in make_searches("How do I use asyncio.TaskGroup on Windows?"):
    ...     print(search)
    asyncio.TaskGroup windows
    asyncio.TaskGroup
    asyncio.TaskGroup windows tkinter
    =asyncio.TaskGroup =windows =tkinter
    >>> make_searches("What is this?")
    ()
    """
    terms = find_terms(question)
    words = [term.word for term in terms if not term.is_literal]
    names = [term.word for term in terms if term.is_literal or term.is_identifier]
    phrases = [name for at in range(len(words)) for name in _phrases(words, at)]
    wider = [*words, *phrases, *(name for word in words for name in related(word))]
    searches = (words, names, phrases, wider, [f"={word}" for word in dict.fromkeys(wider)])
    return tuple(dict.fromkeys(" ".join(dict.fromkeys(search)) for search in searches if search))
