"""From documents to an answer: which of their passages speak of what was asked, and an answer made of these.

Extractive: every sentence of an answer stands in a docstring, and is cited.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .documents import Document, likelihood
from .questions import Term, find_terms
from .words import stems

__all__ = ["Answer", "Passage", "Source", "best_passages", "compose_answer"]

# How much a match is worth, by where it is.
_IN_NAME, _IN_SUMMARY, _IN_TEXT, _IN_SIGNATURE, _IN_PARENT = 1.0, 0.9, 0.7, 0.6, 0.5
_NAME_BONUS = 0.4
_ENOUGH = 0.45  # the share of what was asked, by weight, that a document must speak of
_CLOSE = 0.6  # to be cited, a passage must be this good, compared with the best
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document's text that speaks of what was asked; the higher ``score`` the better."""

    document: Document
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Source:
    """What the number ``[number]`` in an answer refers to."""

    number: int
    name: str
    signature: str
    place: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A short answer and the sources it is made of, in the order of their numbers."""

    text: str
    sources: tuple[Source, ...]


def best_passages(
    question: str, documents: Iterable[Document], weights: Mapping[str, float], *, limit: int = 4
) -> tuple[Passage, ...]:
    """Choose the passages that answer ``question`` best, at most one of each document, the best first.

    ``weights`` says how much each stem tells (``weigh``); a stem that is not in it tells most. Empty when no document
    speaks of enough of what was asked: then there is no evidence, whatever words they share.
    """
    terms = find_terms(question)
    asked = [(term, _weight(term, weights)) for term in terms]
    ranked = sorted((_rank(document, asked) for document in documents), key=lambda p: (-p.score, p.document.name))
    chosen: dict[str, Passage] = {}
    for passage in ranked:
        if passage.score > 0 and passage.score >= _CLOSE * ranked[0].score and passage.text not in chosen:
            chosen[passage.text] = passage
    return tuple(chosen.values())[:limit]


Asked = Sequence[tuple[Term, float]]


def _weight(term: Term, weights: Mapping[str, float]) -> float:
    """A term tells as much as its own word does, or the most telling known word for it."""
    own = weights.get(list(term.forms)[-1], 1.0)
    if term.is_literal and own >= 1:
        return 0.0
    return term.weight * (own if own < 1 or len(term.forms) == 1 else 0.6)


def _rank(document: Document, asked: Asked) -> Passage:
    """Find the best passage of ``document``; its score is 0 when the document says too little of what was asked."""
    total = sum(weight for _, weight in asked)
    name, parent = document.words, frozenset(stems(document.parent))
    signature = frozenset(stems(document.signature.partition("(")[2]))
    best = Passage(document, "", 0.0)
    for at, text in enumerate(split_passages(document.text)):
        here = frozenset(stems(text))
        fields = ((name, _IN_NAME), (here, _IN_TEXT if at else _IN_SUMMARY), (signature, _IN_SIGNATURE), (parent, _IN_PARENT))
        score = covered = 0.0
        for term, weight in asked:
            found = max((s * w for form, s in term.forms.items() for field, w in fields if form in field), default=0.0)
            score += found * weight
            covered += weight * (found > 0)
        covered = max(covered, total * any(term.is_identifier and not name.isdisjoint(term.forms) for term, _ in asked))
        if covered >= _ENOUGH * total and score / total > best.score:
            best = Passage(document, text, score / total)
    bonus = 1 + _NAME_BONUS * _share(document, asked)
    return Passage(document, best.text, best.score * bonus * likelihood(document))


def _share(document: Document, asked: Asked) -> float:
    """The share of a document's own name that was asked for: 1 for ``copytree``, half for ``copymode``."""
    forms = {form for term, _ in asked for form in term.forms}
    if document.words & forms and "".join(min(part) for part in document.parts) in forms:
        return 1.0
    return sum(not forms.isdisjoint(part) for part in document.parts) / max(1, len(document.parts))


_BREAK = re.compile(r"\n[ \t]*\n")
_SENTENCE = re.compile(r"(?<=[.!?:;])\s+(?=[A-Z`*\"'(])")


def split_passages(text: str) -> list[str]:
    """Part a docstring into its paragraphs, each with the code that follows it.

    >>> split_passages("Add.\\n\\nFor instance:\\n\\n    >>> 1 + 1\\n    2\\n\\nMore.")
    ['Add.', 'For instance:\\n\\n    >>> 1 + 1\\n    2', 'More.']
    """
    passages: list[str] = []
    for paragraph in _BREAK.split(text.strip("\n")):
        is_code = paragraph.startswith((" ", "\t", ">>>"))
        if passages and (is_code or passages[-1].endswith(":")) and len(passages[-1]) + len(paragraph) <= _LONGEST:
            passages[-1] += f"\n\n{paragraph}"
        elif paragraph.strip():
            passages.append(paragraph)
    return passages or [""]


def shorten(text: str, limit: int = _LONGEST) -> str:
    """Cut ``text`` to whole sentences within ``limit`` characters, the first one always."""
    text = " ".join(text.split())
    kept = ""
    for sentence in _SENTENCE.split(text):
        if kept and len(kept) + len(sentence) + 1 > limit:
            break
        kept = f"{kept} {sentence}".lstrip()
    return kept if len(kept) <= limit else f"{kept[: limit - 1].rstrip()}…"


def compose_answer(question: str, passages: Sequence[Passage]) -> Answer:
    """Write a short answer out of ``passages``, each cited by its number."""
    sources = [
        Source(number, p.document.name, p.document.signature, p.document.place) for number, p in enumerate(passages, 1)
    ]
    lines = [f"{p.document.name}: {_quote(p)} [{number}]" for number, p in enumerate(passages, 1)]
    listed = [f"[{source.number}] {source.signature} ({source.place})" for source in sources]
    return Answer("\n\n".join([*lines, "\n".join(["Sources:", *listed])]), tuple(sources))


def _quote(passage: Passage) -> str:
    summary = split_passages(passage.document.text)[0]
    if passage.text in summary:
        return shorten(summary)
    return f"{shorten(summary, _LONGEST // 2)} {shorten(passage.text, _LONGEST // 2)}"
