"""Steps called, declared or annotated wrongly."""

from __future__ import annotations

from mce import Context, Failure, Flow, Result, Success, step
from tests.types.vocabulary import Notes, Purse, area, flow, length, now, plan, read, spend

# calls that do not fit the signature

length(4)  # E: int for str
length()  # E: the word is missing
length("four", "five")  # E: one too many
length(name="four")  # E: no such parameter
read("a.txt", "utf-8")  # E: encoding is keyword-only
read("a.txt", encoding=3)  # E: int for str
plan(Notes(), "why?")  # E: the engine supplies the context
plan(3)  # E: int for str
area(3)  # E: the height is missing
area(3, "4")  # E: str for int
area((3, 4))  # E: a tuple is one argument
now(3)  # E: takes nothing
length.map(str)(4)  # E: int for str
length.map(str)("four", "five")  # E: a flow takes one input

# what a step cannot be made of, or with

step(3)  # E: no function
step("length")  # E: no function
step(raises="NoFile")  # E: no class
step(raises=3)  # E: no class
step(timeout="soon")  # E: no number
step(retry=3)  # E: no schedule
step(run_in="cloud")  # E: no such place
step(nmae="length")  # E: no such option

# a context that is used as what it is not


@step
def remember(ctx: Context[Notes], word: str) -> int:
    ctx.put(Purse())  # E: not the state's class
    ctx.put(Notes(facts=(word,)))
    ctx.forget(word)  # E: no such method
    ctx.state.count = 3  # E: states are immutable
    return ctx.state.money  # E: no such field


@step
def wrong_value(word: str) -> Result[int, str]:
    if not word:
        return Failure(3)  # E: int for str
    return Success(word)  # E: str for int


# a dynamic step that continues in another state than its own is one that gives a flow as its value


@step
def pay(ctx: Context[Notes], money: float) -> Flow[object, float, str, Purse]:
    return spend(money)


paid: Flow[float, float, str, Notes] = flow(pay)  # E: the value is a flow
