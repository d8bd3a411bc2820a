"""States put, changed or focused that are not what the flow has."""

from __future__ import annotations

from mce import Flow, Lens, focus, modify, pure, put, transact
from tests.types.vocabulary import Memory, NoPlan, Notes, Purse, length, plan, spend, upper


def more(notes: Notes) -> Notes:
    return Notes(notes.facts, notes.count + 1)


def notes_of(memory: Memory) -> Notes:
    return Notes(memory.facts)


def with_notes(memory: Memory, notes: Notes) -> Memory:
    return Memory(memory.facts + notes.facts)


lens = Lens(get=notes_of, set=with_notes)

plan >> put(Purse())  # E: Notes and Purse
put(Purse()) >> modify(more)  # E: Purse and Notes
length >> put(Purse()) >> upper.bind(lambda _: modify(more)).map(str) >> plan  # E: None into str, Purse and Notes
modify(len)  # E: gives an int
modify(3)  # E: no function
put()  # E: the state is missing
focus(lens, spend)  # E: Notes and Purse
focus(3, plan)  # E: no lens
focus("notes", len)  # E: no flow
focus(lens, plan).run_sync("why?", state=Notes())
focus(lens, plan).run_sync("why?", state=Purse())  # E: Purse for Memory
transact(3)  # E: no flow
changed: Flow[str, None, NoPlan, Purse] = plan >> modify(more)  # E: Notes
opened: Flow[object, int] = put(Notes()) >> pure(3)  # E: Notes
