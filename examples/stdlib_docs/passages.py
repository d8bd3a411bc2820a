"""Which passages of which documents speak of what was asked, and whether that is evidence at all.

A passage is ranked by the words of the question that it, its document's name, signature or parent holds, each by how
much it tells. Nothing is evidence for a question most of which no document speaks of, whatever words they share.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .documents import Document
from .questions import Term, find_terms
from .vocabulary import content_stems
from .words import joined, stems

__all__ = ["Passage", "best_passages", "split_passages"]

# What a word of the question is worth, by where it is found.
_IN_NAME, _IN_FIRST_SENTENCE, _IN_SIGNATURE, _IN_TEXT, _IN_PARENT = 1.2, 0.9, 0.8, 0.6, 0.4
# What it adds when the name, or the first sentence, says little else than what was asked.
_NAME_BONUS, _SENTENCE_BONUS = 0.35, 0.35
# How much an unknown word tells: one that has known relatives, one that has none, and a name ("Flask").
_RELATED_WEIGHT, _UNKNOWN_WEIGHT, _STRANGER_WEIGHT = 0.7, 1.3, 2.0
# The share of the question that a passage must speak of to be cited, and the best one to be evidence: of a question
# of one or two words, nearly all.
_CITED, _EVIDENCE, _EVIDENCE_FOR_TWO = 0.27, 0.46, 0.7
_LEAST_SCORE = 0.52
# How much more a related word may tell than the one that was said, for as much as it is rarer.
_RARER, _MOST_GAIN, _LEAST = 0.8, 2.0, 0.05
_NEAR_BEST = 0.45  # to be cited, as a share of the best score
_MOST_PASSAGES = 12
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document's text that speaks of what was asked.

    The higher ``score`` the better; ``coverage`` is the share of the question that it speaks of, by weight.
    """

    document: Document
    text: str
    score: float
    coverage: float


def best_passages(
    question: str, documents: Iterable[Document], weights: Mapping[str, float], *, limit: int = 5
) -> tuple[Passage, ...]:
    """Choose the passages that answer ``question`` best, at most one of each document, the best first.

    ``weights`` says how much each stem tells, as ``weigh`` gives it. Empty when there is no evidence.
    """
    asked = [(_tell(term, weights), weight) for term in find_terms(question) if (weight := _weight(term, weights))]
    ranked = [passage for document in documents if asked and (passage := _rank(document, asked))]
    ranked.sort(key=lambda passage: (-passage.score, passage.document.name))
    best = _without_repetitions(ranked)[:limit]
    enough = _EVIDENCE if len(asked) > 2 else _EVIDENCE_FOR_TWO
    if not best or best[0].score < _LEAST_SCORE or max(passage.coverage for passage in best) < enough:
        return ()
    return tuple(passage for passage in best if passage.score >= _NEAR_BEST * best[0].score)


def _without_repetitions(passages: Iterable[Passage]) -> list[Passage]:
    """Keep the first of the documents that say the same."""
    kept: dict[str, Passage] = {}
    for passage in passages:
        kept.setdefault(passage.document.text or passage.document.name, passage)
    return list(kept.values())


_Asked = Sequence[tuple[Term, float]]


def _weight(term: Term, weights: Mapping[str, float]) -> float:
    """How much a term tells: what its own stem tells, or what is known of an unknown one."""
    own = weights.get(term.stem, 1.0)
    if term.is_literal and weights.get(term.own_name, 1.0) == 1:
        return 0.0
    if own < 1:
        return own * term.weight
    if term.has_related:
        return _RELATED_WEIGHT * term.weight
    return _STRANGER_WEIGHT if term.is_tool else _UNKNOWN_WEIGHT


def _tell(term: Term, weights: Mapping[str, float]) -> Term:
    """Strengthen those related words of ``term`` that tell more than it does: "similar" does less than "difflib"."""
    own = weights.get(term.stem, 1.0)
    if own == 1:
        return term
    rarer = ((form, _RARER * weights.get(form, 1.0) / max(own, _LEAST)) for form in term.forms)
    gains = {form: min(_MOST_GAIN, max(1.0, gain)) for form, gain in rarer}
    forms = {form: strength * (gains[form] if strength < 1 else 1) for form, strength in term.forms.items()}
    return replace(term, forms=forms)


def _rank(document: Document, asked: _Asked) -> Passage | None:
    """Give the best passage of ``document``; None when it says too little of what was asked."""
    named = [term for term, _ in asked if term.is_name and term.stem in document.words]
    total = sum(weight for term, weight in asked if not named or term in named)  # asked by name: no matter what else
    signature = frozenset(stems(document.signature.partition("(")[2]))
    around = [(document.words, _IN_NAME), (signature, _IN_SIGNATURE), (frozenset(stems(document.parent)), _IN_PARENT)]
    best = None
    for at, text in enumerate(split_passages(document.text)[:_MOST_PASSAGES]):
        fields = [*around, (frozenset(stems(text)), _IN_TEXT)]
        if at == 0:
            fields.append((frozenset(stems(first_sentence(text))), _IN_FIRST_SENTENCE))
        found = [_match(term, fields) for term, _ in asked]
        score = sum(weight * match for (_, weight), match in zip(asked, found, strict=True)) / total
        coverage = min(1.0, sum(weight for (_, weight), match in zip(asked, found, strict=True) if match) / total)
        if coverage >= _CITED and (best is None or score > best.score):
            best = Passage(document, text, score, coverage)
    if best is None:
        return None
    bonus = 1 + _NAME_BONUS * _name_share(document, asked) + _SENTENCE_BONUS * _sentence_share(document, asked)
    return Passage(document, best.text, best.score * bonus * document.likelihood, best.coverage)


def _match(term: Term, fields: Iterable[tuple[frozenset[str], float]]) -> float:
    return max(
        (strength * worth for form, strength in term.forms.items() for field, worth in fields if form in field),
        default=0.0,
    )


def _name_share(document: Document, asked: _Asked) -> float:
    """The share of a document's own name that was asked for: 1 for ``copytree``, half for ``copymode``."""
    forms = {form for term, _ in asked for form in term.forms}
    if joined(document.name.rpartition(".")[2]) in forms:
        return 1.0
    return sum(not forms.isdisjoint(part) for part in document.parts) / max(1, len(document.parts))


def _sentence_share(document: Document, asked: _Asked) -> float:
    """The share of a document's first sentence that was asked for."""
    said = content_stems(first_sentence(document.text))
    return len(said & {form for term, _ in asked for form in term.forms}) / max(1, len(said))


_BREAK = re.compile(r"\n[ \t]*\n")
_SENTENCE = re.compile(r"(?<=[.!?])\s")


def first_sentence(text: str) -> str:
    """Give the first sentence of ``text``."""
    return _SENTENCE.split(_BREAK.split(text, 1)[0], 1)[0]


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
