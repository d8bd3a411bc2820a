"""A research agent over the documentation of Python's own standard library, which every machine has.

``agent`` takes a question. ``plan`` makes searches of it, which run concurrently; the best documents are read
concurrently; ``answer`` writes a short answer out of their passages, with numbered sources. It is extractive: every
sentence of an answer stands in a docstring. A question without evidence is the typed failure ``NoEvidence``. ``Notes``,
the state, keeps the log through the concurrent branches with a reducer.

Run it with ``mce run examples/research_agent.py:agent --input '"How do I cancel a task group?"'``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import BaseModel, Field

from mce import Append, Context, Failure, Progress, Result, Success, each, gather, step
from stdlib_docs import (
    Answer,
    Document,
    Hit,
    Passage,
    asked_stems,
    best_passages,
    compose_answer,
    make_searches,
    merge_hits,
    open_index,
    read,
    search,
    weigh,
)

__all__ = ["NoEvidence", "NoModel", "Notes", "Researcher", "agent"]


class Notes(BaseModel, frozen=True):
    """What the agent knows of its run: what it was asked, where its index is and, line by line, what it did.

    ``model`` names a model that plans and answers instead of the rules, from the environment variable ``MCE_MODEL``
    when it is not given; the caller passes the :class:`Researcher` that speaks to it as ``deps``.
    """

    question: str = ""
    index: str = ""
    model: str = Field(default_factory=lambda: os.environ.get("MCE_MODEL", ""))
    log: Annotated[tuple[str, ...], Append()] = ()


class Researcher(Protocol):
    """Who makes searches of a question and an answer of passages: rules, or a model."""

    def plan(self, question: str) -> tuple[str, ...]: ...

    def answer(self, question: str, passages: Sequence[Passage]) -> Answer: ...


class Rules:
    """Plans and answers without a model: searches by rule, answers made of what the passages say."""

    def plan(self, question: str) -> tuple[str, ...]:
        return make_searches(question)

    def answer(self, question: str, passages: Sequence[Passage]) -> Answer:
        return compose_answer(question, passages)


class NoEvidence(Exception):
    """Nothing in the library's documentation answers ``question``; ``searched`` is what was looked for."""

    def __init__(self, question: str, searched: tuple[str, ...] = ()) -> None:
        super().__init__(question, searched)
        self.question, self.searched = question, searched

    def __str__(self) -> str:
        looked = f"; searched for {', '.join(map(repr, self.searched))}" if self.searched else ""
        return f"no evidence in the standard library's documentation for {self.question!r}{looked}"


class NoModel(Exception):
    """A model is named in the state, and nobody who speaks to it was passed to the run."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"model {self.name!r} is named and none is built in: pass a Researcher that speaks to it, "
            f"agent.run(question, deps=...), or name none"
        )


def note(ctx: Context[Notes], line: str) -> None:
    """Add a line to the log."""
    ctx.update(log=(*ctx.state.log, line))


@step(raises=NoModel)
def plan(ctx: Context[Notes], question: str) -> Result[tuple[str, ...], NoEvidence]:
    """Make searches of the question; one that says nothing has none."""
    ctx.update(question=question)
    searches = researcher(ctx).plan(question)
    if not searches:
        return Failure(NoEvidence(question))
    note(ctx, f"planned {len(searches)} searches: {'; '.join(searches)}")
    return Success(searches)


def researcher(ctx: Context[Notes]) -> Researcher:
    """Give who plans and answers: the rules, or, when a model is named, whom the caller passed."""
    if not ctx.state.model:
        return Rules()
    if ctx.deps is None:
        raise NoModel(ctx.state.model)
    chosen: Researcher = ctx.deps
    return chosen


@step
def library(ctx: Context[Notes], question: str) -> str:
    """Open the index, which is built on first use and kept in the user's cache folder."""

    def tell(done: int, total: int) -> None:
        if done == total or done % max(1, total // 50) == 0:
            ctx.emit(Progress("reading the standard library", done, total))

    path = str(open_index(tell))
    ctx.update(index=path)
    return path


@step(idempotent=True)
def find(ctx: Context[Notes], query: str) -> tuple[Hit, ...]:
    """Run one search."""
    hits = search(Path(ctx.state.index), query)
    note(ctx, f"searched {query!r}: {len(hits)} documents")
    return hits


@step
def choose(ctx: Context[Notes], found: Sequence[Sequence[Hit]]) -> Result[tuple[Hit, ...], NoEvidence]:
    """Keep the documents that stand highest in the most searches."""
    hits = merge_hits(found)
    return Success(hits) if hits else Failure(NoEvidence(ctx.state.question, make_searches(ctx.state.question)))


@step(idempotent=True)
def fetch(ctx: Context[Notes], hit: Hit) -> Document:
    """Read one document."""
    return read(Path(ctx.state.index), hit.id)


@step(raises=NoModel)
def answer(ctx: Context[Notes], documents: Sequence[Document]) -> Result[Answer, NoEvidence]:
    """Write a short answer out of the passages that speak of the question."""
    question = ctx.state.question
    passages = best_passages(question, documents, weigh(Path(ctx.state.index), asked_stems(question)))
    if not passages:
        return Failure(NoEvidence(question, make_searches(question)))
    note(ctx, f"read {len(documents)} documents and cited {', '.join(p.document.name for p in passages)}")
    return Success(researcher(ctx).answer(question, passages))


prepare = gather(library, plan).map(lambda prepared: prepared[1])
searches = each(find, limit=4).named("search")
documents = each(fetch, limit=8).named("read")
agent = (prepare >> searches >> choose >> documents >> answer).named("research")
