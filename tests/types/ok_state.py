"""State: which state a flow asks for, and how that of its parts becomes that of the whole."""

from __future__ import annotations

from typing import Any, Never, assert_type

from mce import Flow, Lens, fail, focus, gather, get, modify, pure, put, transact
from tests.types.vocabulary import NoPlan, Notes, Purse, length, plan, recall, spend, upper


def more(notes: Notes) -> Notes:
    return Notes(notes.facts, notes.count + 1)


# the state itself: what ``get`` gives cannot be known before the flow meets a state

assert_type(get(), Flow[object, Any])
assert_type(put(Notes()), Flow[object, None, Never, Notes])
assert_type(modify(more), Flow[object, None, Never, Notes])
assert_type(get().map(lambda found: found.count), Flow[object, Any])
assert_type(get() >> plan, Flow[object, int, NoPlan, Notes])

# stateless then stateful, stateful then stateless, and two of one state

assert_type(pure(3) >> put(Notes()), Flow[object, None, Never, Notes])
assert_type(put(Notes()) >> pure(3), Flow[object, int, Never, Notes])
assert_type(length >> put(Notes()), Flow[str, None, Never, Notes])
assert_type(put(Notes()) >> modify(more), Flow[object, None, Never, Notes])
assert_type(plan >> modify(more), Flow[str, None, NoPlan, Notes])
assert_type(upper >> plan >> put(Notes()) >> fail("no"), Flow[str, Never, NoPlan | str, Notes])
assert_type(plan.bind(lambda n: put(Notes(count=n))), Flow[str, None, NoPlan, Notes])
assert_type(gather(put(Notes()), length), Flow[str, tuple[None, int], Never, Notes])
assert_type(transact(plan), Flow[str, int, NoPlan, Notes])
assert_type(transact(put(Notes()) >> fail("no")), Flow[object, Never, str, Notes])

# a part of the state: the lens tells the whole, a name cannot


class Agent:
    notes = Notes()
    purse = Purse()


def purse_of(agent: Agent) -> Purse:
    return agent.purse


def with_purse(agent: Agent, purse: Purse) -> Agent:
    raise NotImplementedError(agent, purse)


purse = Lens(get=purse_of, set=with_purse)
assert_type(purse, Lens[Agent, Purse])
assert_type(focus(purse, spend), Flow[float, float, Never, Agent])
assert_type(focus(purse, upper), Flow[str, str, Never, Agent])
assert_type(focus("notes", plan), Flow[str, int, NoPlan, Any])
assert_type(focus("notes", recall) >> focus("purse", put(Purse())), Flow[str, None, Never, Any])
assert_type(focus("notes", plan).run_sync("why?", state=Agent()).state, Agent)
