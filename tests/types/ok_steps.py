"""What ``@step`` infers from a function, and that it keeps the whole signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Never, assert_type

from mce import Context, Flow, Result, Success, TimedOut, pure, recurs, step
from tests.types.vocabulary import NoFile, NoPlan, Notes, Refused, area, flow, length, log, now, plan, read, upper

# one parameter, async and plain, with a context and without: the step chains

assert_type(flow(length), Flow[str, int])
assert_type(flow(upper), Flow[str, str])
assert_type(flow(plan), Flow[str, int, NoPlan, Notes])
assert_type(flow(read), Flow[str, bytes, NoFile])

# a call supplies the input: a closed flow

assert_type(length("four"), Flow[object, int])
assert_type(length(word="four"), Flow[object, int])
assert_type(plan("how?"), Flow[object, int, NoPlan, Notes])
assert_type(plan(question="how?"), Flow[object, int, NoPlan, Notes])
assert_type(read("a.txt", encoding="ascii"), Flow[object, bytes, NoFile])

# several required parameters: it can be called and not chained

assert_type(flow(area), Flow[Never, int])
assert_type(area(3, height=4), Flow[object, int])


@step
def scale(ctx: Context[Notes], number: int, factor: float) -> float:
    return number * factor * ctx.state.count


assert_type(flow(scale), Flow[Never, float, Never, Notes])
assert_type(scale(3, factor=0.5), Flow[object, float, Never, Notes])


@step
def fetch(url: str, *, key: bytes) -> str:
    return f"{url} {key!r}"


assert_type(flow(fetch), Flow[Never, str])
assert_type(fetch("here", key=b""), Flow[object, str])

# no parameters, or the context alone: closed

assert_type(flow(now), Flow[object, float])
assert_type(now(), Flow[object, float])


@step
async def count(ctx: Context[Notes]) -> int:
    return ctx.state.count


assert_type(flow(count), Flow[object, int, Never, Notes])
assert_type(count(), Flow[object, int, Never, Notes])

# defaults: a first one can be passed on to, others ride along


@step
def double(number: int = 1, *, times: int = 2) -> int:
    return number * times


@step
async def search(ctx: Context[Notes], query: str, limit: int = 10, *, fuzzy: bool = False) -> list[str]:
    return [query] * limit if fuzzy else list(ctx.state.facts)


@step
def version(*, full: bool = False) -> str:
    return "1.0.0" if full else "1"


@step
def total(*numbers: int) -> int:
    return sum(numbers)


assert_type(flow(double), Flow[int, int])
assert_type(double(), Flow[object, int])
assert_type(double(3, times=4), Flow[object, int])
assert_type(flow(search), Flow[str, list[str], Never, Notes])
assert_type(search("mce", 3, fuzzy=True), Flow[object, list[str], Never, Notes])
assert_type(flow(version), Flow[object, str])
assert_type(version(full=True), Flow[object, str])
assert_type(flow(total), Flow[int, int])
assert_type(total(1, 2, 3), Flow[object, int])

# None is a value like any other, as input, as output and as part of a union


@step
async def find(name: str | None) -> int | None:
    return None if name is None else len(name)


assert_type(flow(log), Flow[str, None])
assert_type(flow(find), Flow[str | None, int | None])
assert_type(find(None), Flow[object, int | None])

# any input, and inputs and outputs with Any in them


@step
def describe(value: object) -> str:
    return repr(value)


@step
def parse(value: Any) -> dict[str, Any]:
    return {"value": value}


@step
async def get_json(url: str) -> Result[dict[str, Any], NoFile]:
    return Success({"url": url})


assert_type(flow(describe), Flow[object, str])
assert_type(flow(parse), Flow[Any, dict[str, Any]])
assert_type(flow(get_json), Flow[str, dict[str, Any], NoFile])

# a flow returned: a dynamic step, whose errors and state are those of the flow


@step
async def replan(number: int) -> Flow[object, int, NoPlan, Notes]:
    return plan(str(number))


@step
def reread(ctx: Context[Notes], path: str) -> Flow[object, bytes, NoFile]:
    return read(path or ctx.state.facts[0])


@step
async def again(ctx: Context[Notes]) -> Flow[None, str, NoPlan, Notes]:
    return plan(ctx.state.facts[0]).map(str)


assert_type(flow(replan), Flow[int, int, NoPlan, Notes])
assert_type(replan(3), Flow[object, int, NoPlan, Notes])
assert_type(flow(reread), Flow[str, bytes, NoFile, Notes])
assert_type(flow(again), Flow[object, str, NoPlan, Notes])

# options: raises= adds to the errors, and so does timeout=; the others leave the type as it is


@step(raises=NoFile)
def open_file(path: str) -> bytes:
    return path.encode()


@step(raises=(NoFile, NoPlan))
async def load_plan(ctx: Context[Notes], path: str) -> Result[int, Refused]:
    return Success(len(path) + ctx.state.count)


@step(raises=(NoFile, NoPlan, OSError), timeout=1.5)
def try_hard(path: str) -> bytes:
    return path.encode()


@step(timeout=3)
async def quick(ctx: Context[Notes]) -> Flow[None, int, NoPlan, Notes]:
    return plan(ctx.state.facts[0])


@step(name="call", retry=recurs(2), idempotent=True, resources={"GPU": 1}, validate=True, doc="Calls.")
async def call(number: int) -> Result[str, Refused]:
    return Success(str(number))


assert_type(flow(open_file), Flow[str, bytes, NoFile])
assert_type(flow(load_plan), Flow[str, int, Refused | NoFile | NoPlan, Notes])
assert_type(flow(try_hard), Flow[str, bytes, NoFile | NoPlan | OSError | TimedOut])
assert_type(flow(quick), Flow[object, int, NoPlan | TimedOut, Notes])
assert_type(flow(call), Flow[int, str, Refused])

# not only functions


@dataclass(frozen=True)
class Model:
    name: str

    async def __call__(self, prompt: str) -> Result[str, Refused]:
        return Success(f"{self.name}: {prompt}")


assert_type(flow(step(Model("small"))), Flow[str, str, Refused])
assert_type(flow(step(Model("small"), name="ask", idempotent=True)), Flow[str, str, Refused])
assert_type(flow(step(name="ask", timeout=9)(Model("small"))), Flow[str, str, Refused | TimedOut])
assert_type(flow(step(str.upper)), Flow[str, str])
assert_type(pure("why?") >> step(Model("small")), Flow[object, str, Refused])
