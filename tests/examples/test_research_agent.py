"""The research agent, end to end, on the real index of this machine's standard library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mce import Backend, Emitted, InlineBackend, LocalBackend, Progress, SimulatedBackend, StepStarted
from research_agent import NoEvidence, NoModel, Notes, agent
from stdlib_docs import Answer, Passage, Source, open_index

QUESTION = "How do I cancel a task group?"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder for the user, with the index that all modules of tests share."""
    monkeypatch.delenv("MCE_MODEL", raising=False)
    shared = tmp_path_factory.getbasetemp() / "stdlib"
    open_index(folder=shared)
    home = tmp_path_factory.mktemp("cache")
    (home / "mce").symlink_to(shared)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "mce"


@pytest.mark.parametrize(
    "backend", [InlineBackend(), LocalBackend(), LocalBackend(loop="trio"), SimulatedBackend(seed=3)], ids=repr
)
def test_an_answer_with_numbered_sources(backend: Backend) -> None:
    outcome = agent.run_sync(QUESTION, state=Notes(), backend=backend)
    answer = outcome.value
    assert {"asyncio.TaskGroup", "asyncio.Task.cancel"} <= {source.name for source in answer.sources}
    assert [source.number for source in answer.sources] == list(range(1, len(answer.sources) + 1))
    assert all(f"[{source.number}]" in answer.text for source in answer.sources)
    assert all(source.place for source in answer.sources)


def test_every_backend_gives_the_same_outcome() -> None:
    first, *others = [
        agent.run_sync(QUESTION, state=Notes(), backend=backend)
        for backend in (InlineBackend(), LocalBackend(), LocalBackend(loop="trio"))
    ]
    for other in others:
        assert other.value == first.value
        assert other.state == first.state


def test_the_log_is_kept_through_the_concurrent_branches() -> None:
    outcome = agent.run_sync(QUESTION, state=Notes(log=("before",)))
    log = outcome.state.log
    assert log[0] == "before"
    assert log[1].startswith("planned 3 searches: cancel task group")
    assert [line.split(":")[0].split("'")[0] for line in log[2:5]] == ["searched "] * 3
    assert "asyncio.TaskGroup" in log[5]
    assert outcome.state.question == QUESTION
    assert Path(outcome.state.index).exists()


@pytest.mark.parametrize("question", ["", "how do I do it?", "zxqv blorp", "best pasta recipe with tomatoes"])
def test_without_evidence_there_is_a_typed_failure(question: str) -> None:
    outcome = agent.run_sync(question, state=Notes())
    assert isinstance(outcome.error, NoEvidence)
    assert outcome.error.question == question
    assert repr(question) in str(outcome.error)


def test_the_searches_run_at_the_same_time() -> None:
    backend = SimulatedBackend(durations={"find": 1, "fetch": 1, "plan": 1, "library": 1})
    outcome = agent.run_sync(QUESTION, state=Notes(), backend=backend, trace=True)
    found = [event for event in outcome.trace if isinstance(event, StepStarted)]
    searched = [event.time for event in found if event.step == "find"]
    read = [event.time for event in found if event.step == "fetch"]
    assert len(searched) == 3
    assert len(set(searched)) == 1
    rounds = -(-len(read) // 8)
    assert backend.elapsed == 1 + 1 + rounds


def test_building_the_index_tells_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    outcome = agent.run_sync(QUESTION, state=Notes(), trace=True)
    told = [event.value for event in outcome.trace if isinstance(event, Emitted)]
    assert all(isinstance(value, Progress) for value in told)
    assert told[-1].done == told[-1].total
    assert 10 < len(told) < 200


class Echo:
    """A researcher in the place of a model."""

    def plan(self, question: str) -> tuple[str, ...]:
        return ("copy deepcopy",)

    def answer(self, question: str, passages: Sequence[Passage]) -> Answer:
        best = passages[0].document
        return Answer(question, "use it [1]", (Source(1, best.name, best.signature, best.place),))


def test_a_model_that_is_named_is_asked_if_somebody_speaks_to_it() -> None:
    silent = agent.run_sync("How do I deep copy a list?", state=Notes(model="large"))
    assert isinstance(silent.error, NoModel)
    assert "model 'large' is named" in str(silent.error)
    spoken = agent.run_sync("How do I deep copy a list?", state=Notes(model="large"), deps=Echo())
    assert spoken.value.text == "use it [1]"
    assert spoken.value.sources[0].name == "copy.deepcopy"


def test_a_model_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCE_MODEL", "large")
    assert isinstance(agent.run_sync(QUESTION, state=Notes()).error, NoModel)
