"""One branch of a run, and what all branches of a run share.

A fiber has the state of its branch, the change it made to it since the branch began, and the frames of the regions it
is in. Its path is put together from the frames when an event, a failure or a key needs it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Coroutine, Hashable, Iterator
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from returns.result import Result

from mce.engine.blocks import Block, Op
from mce.errors import Defect, StateConflict
from mce.events import Emitted, Listener, StateChanged
from mce.outcome import Place, Sibling
from mce.records import dataclass
from mce.reducers import Shape
from mce.state import Change, compose, replace_state, update_state

if TYPE_CHECKING:
    from mce.engine.budget import Meter
    from mce.engine.frames import Frame
    from mce.engine.points import Probe
    from mce.engine.protocol import Backend, Once, Share, Spread

__all__ = ["Fault", "Fiber", "Halt", "Run"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure on its way out: the ``error``, whether it was ``expected``, and where it happened."""

    error: Any
    expected: bool
    place: Place

    def noted(self, note: str) -> Fault:
        return replace(self, place=replace(self.place, notes=(*self.place.notes, note)))

    def beside(self, siblings: tuple[Sibling, ...]) -> Fault:
        return replace(self, place=replace(self.place, siblings=self.place.siblings + siblings))

    def matches(self, on: tuple[type, ...] | None) -> bool:
        """Whether a ``recover`` or ``retry`` with ``on`` is meant: without it, by any expected failure."""
        if on is None:
            return self.expected
        return isinstance(self.error, on) or (isinstance(self.error, Defect) and isinstance(self.error.cause, on))

    def matched(self, on: tuple[type, ...] | None) -> Any:
        """Give what a handler for ``on`` is given: the error, or the cause of a defect that was caught by it."""
        if on is None or not isinstance(self.error, Defect):
            return self.error
        return self.error.cause if isinstance(self.error.cause, on) else self.error


class Halt(Exception):
    """Carries a fault through the interpreter; never seen outside the engine."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(slots=True)
class Run:
    """What all branches of one run share. ``careful`` runs use blocks in which every call is watched."""

    run_id: str
    backend: Backend
    execute: Callable[[Fiber, Block, Any], Coroutine[Any, Any, Any]]
    compile: Callable[[Any, bool], Block]
    deps: Any = None
    listener: Listener | None = None
    validate: bool = False
    careful: bool = False
    probe: Probe | None = None
    shared: dict[Any, Any] = field(default_factory=dict)
    spread: Spread | None = None
    once: Once | None = None
    share: Share | None = None


class Fiber:
    """One branch of a run; the main one has no ``parent``. It is the host of the contexts of its steps.

    Under a budget it has a ``meter``, and is ``careful`` even if the run is not.
    """

    __slots__ = (
        "begun_attempt",
        "begun_visits",
        "block",
        "careful",
        "change",
        "frames",
        "meter",
        "ops",
        "parent",
        "recording",
        "run",
        "segment",
        "shape",
        "state",
    )

    def __init__(
        self,
        run: Run,
        block: Block,
        state: Any,
        *,
        parent: Fiber | None = None,
        segment: Callable[[], str] | None = None,
    ) -> None:
        self.run = run
        self.block = block
        self.state = state
        self.shape: Shape | None = None if parent is None else parent.shape
        self.parent = parent
        self.segment = segment
        self.recording = parent is not None
        self.change: Change | None = None
        self.frames: list[Frame] = []
        self.ops: Iterator[Op] = iter(())
        self.begun_attempt = 1 if parent is None else parent.attempt()
        self.careful: bool = run.careful if parent is None else parent.careful
        self.meter: Meter | None = None if parent is None else parent.meter
        self.begun_visits: list[Any] | None = None

    # -- where --------------------------------------------------------------------------------------------------------

    def scopes(self) -> list[str]:
        """List the scopes this fiber is in, outermost first, each as it reads in a path."""
        found: list[str] = []
        for fiber in (self,) if self.parent is None else reversed(list(self.lineage())):
            if fiber.segment is not None and (segment := fiber.segment()):
                found.append(segment)
            if fiber.frames:
                found += [scope for frame in fiber.frames if (scope := frame.scope())]
        return found

    def path(self) -> str:
        """Name the operation that is being run."""
        block = self.frames[-1].block if self.frames else self.block
        return self.within(block.name(self.ops))

    def within(self, name: str) -> str:
        """Give the path of what is called ``name`` in the current scope."""
        if self.parent is None and self.segment is None and not self.frames:
            return name
        return "/".join([*self.scopes(), name] if name else self.scopes())

    def attempt(self) -> int:
        """Say which attempt of the innermost retry is going on; the first is 1."""
        for frame in reversed(self.frames):
            if frame.attempt:
                return frame.attempt
        return self.begun_attempt

    def forbid_repeat(self, path: str | None = None) -> None:
        """Tell every retry around that the step at ``path``, or else the one being called, must not be called again."""
        path = path or self.path()
        for fiber in self.lineage():
            for frame in fiber.frames:
                frame.forbid_repeat(path)

    def place(self) -> Place:
        return Place(self.path(), self.attempt())

    def fault(self, exc: Exception, raises: tuple[type[BaseException], ...] = ()) -> Fault:
        """Make a fault of an exception: an expected failure if it is one of ``raises``, else a defect."""
        place = self.place()
        if raises and isinstance(exc, raises):
            return Fault(exc, True, place)
        if isinstance(exc, StateConflict):
            return Fault(exc.at(place.path), False, place)
        return Fault(Defect(exc, _traceback_text(exc), place.path, place.attempt), False, place)

    # -- the host of contexts -----------------------------------------------------------------------------------------

    @property
    def deps(self) -> Any:
        return self.run.deps

    def idempotency_key(self) -> str:
        return f"{self.run.run_id}:{self.path()}"

    async def sleep(self, seconds: float) -> None:
        await self.run.backend.sleep(seconds)

    def update(self, fields: dict[str, Any]) -> None:
        self.state, change = update_state(self.state, fields, record=self.recording, shape=self.shape)
        if self.recording:
            self.change = compose(self.change, change)
        if self.run.listener is not None:
            self._tell_state(tuple(fields))

    def replace(self, state: Any) -> None:
        change = replace_state(self.state, state, record=self.recording, shape=self.shape)
        self.state = state
        if self.recording:
            self.change = compose(self.change, change)
        if self.run.listener is not None:
            self._tell_state(())

    def adopt(self, state: Any, change: Change | None) -> None:
        """Continue with ``state``, which ``change`` made of the one before."""
        changed = state is not self.state
        self.state = state
        if self.recording:
            self.change = compose(self.change, change)
        if changed and self.run.listener is not None:
            self._tell_state(())

    def roll_back(self, state: Any, change: Change | None) -> None:
        """Go back to ``state``, to which ``change`` had led."""
        changed = state is not self.state
        self.state, self.change = state, change
        if changed and self.run.listener is not None:
            self._tell_state(())

    def spend(self, cost: float) -> None:
        if self.meter is not None:
            self.meter.spend(self, cost)

    def emit(self, value: Any) -> None:
        if self.run.listener is not None:
            self.run.listener(Emitted(self.path(), self.attempt(), self.run.backend.now(), value))

    # -- the branch that combinators see ------------------------------------------------------------------------------

    @property
    def backend(self) -> Backend:
        return self.run.backend

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        found, share = self.run.shared, self.run.share
        if key not in found:
            found[key] = make() if share is None else share(key, make())
        return found[key]  # type: ignore[no-any-return]

    def lineage(self) -> Iterator[Fiber]:
        fiber: Fiber | None = self
        while fiber is not None:
            yield fiber
            fiber = fiber.parent

    def visits(self) -> list[Any]:
        if self.begun_visits is None:
            self.begun_visits = []
        return self.begun_visits

    def ending(self) -> Result[Any, Any] | None:
        releasing = next(frame for frame in reversed(self.frames) if frame.releasing)
        return releasing.ending()

    def spawn(self, main: Callable[[], Coroutine[Any, Any, None]]) -> object:
        from mce.engine.tasks import spawn

        return spawn(main)

    def _tell_state(self, fields: tuple[str, ...]) -> None:
        assert self.run.listener is not None
        now = self.run.backend.now()
        self.run.listener(StateChanged(self.path(), self.attempt(), now, fields, self.state))


_INSIDE = ("mce.engine.", "mce.backends.", "anyio.", "asyncio.", "trio.", "concurrent.futures.")


def _traceback_text(exc: Exception) -> str:
    """Format the traceback of ``exc`` from the first frame that is the user's own."""
    found = exc.__traceback__
    while found is not None and f"{found.tb_frame.f_globals.get('__name__', '')}.".startswith(_INSIDE):
        found = found.tb_next
    return "".join(traceback.format_exception(type(exc), exc, found, limit=40))
