"""A short answer made of passages: every sentence of it stands in a docstring and is cited by number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .passages import Passage, split_passages

__all__ = ["Answer", "Source", "compose_answer"]

_LONGEST = 320
_SENTENCE = re.compile(r"(?<=[.!?:])\s+(?=[A-Z`*\"'(])")


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

    question: str
    text: str
    sources: tuple[Source, ...]

    def __str__(self) -> str:
        listed = (f"[{source.number}] {source.signature} ({source.place})" for source in self.sources)
        return "\n".join([self.text, "", *listed])


def compose_answer(question: str, passages: Sequence[Passage]) -> Answer:
    """Write a short answer to ``question`` out of ``passages``, each cited by its number, in their order."""
    sources = [
        Source(number, passage.document.name, passage.document.signature, passage.document.place)
        for number, passage in enumerate(passages, 1)
    ]
    lines = (f"{one.name}: {_quote(passage)} [{one.number}]" for one, passage in zip(sources, passages, strict=True))
    return Answer(question, "\n\n".join(lines), tuple(sources))


def _quote(passage: Passage) -> str:
    """Say what the document is about, then what it says on the question, or else what comes next."""
    texts = [text for text in split_passages(passage.document.text) if not _is_code(text)]
    if not any(texts):
        return f"no description; see its signature. {shorten(passage.document.parent, _LONGEST // 2)}".rstrip()
    said = [passage.text] if passage.text in texts[1:] else texts[1:2]
    return shorten(" ".join(map(_end, [texts[0], *said])))


def _end(text: str) -> str:
    """Close a text that does not end as a sentence, so that another can follow."""
    text = text.rstrip()
    return text if text.endswith((".", "!", "?", ":", ";")) else f"{text}."


def _is_code(text: str) -> bool:
    """Is it a block of code, rather than a sentence and perhaps an example?"""
    followed = pairwise(text.splitlines())
    return text.startswith(">>>") or any(line.endswith(":") and after.startswith(" ") for line, after in followed)


def shorten(text: str, limit: int = _LONGEST) -> str:
    """Cut ``text`` to whole sentences within ``limit`` characters; the first one is kept, cut if it must be."""
    kept = ""
    for sentence in _SENTENCE.split(" ".join(text.split())):
        if kept and len(kept) + len(sentence) + 1 > limit:
            break
        kept = f"{kept} {sentence}".lstrip()
    return kept if len(kept) <= limit else f"{kept[: limit - 1].rstrip()}…"
