"""Resources: ``bracket`` and ``ensure`` fail with what acquiring, using or releasing may fail with."""

from __future__ import annotations

from typing import assert_type

from mce import Flow, Result, Success, bracket, ensure, fail, pure, step
from tests.types.vocabulary import NoFile, NoPlan, Notes, Refused, answer, log, now, plan, read, upper


class Connection:
    address = "here"


@step
async def connect(address: str) -> Result[Connection, NoFile]:
    return Success(Connection())


@step
async def ask(connection: Connection) -> Result[str, Refused]:
    return Success(connection.address)


@step
async def close(connection: Connection) -> None:
    print(connection.address)


assert_type(bracket(connect, ask, close), Flow[str, str, NoFile | Refused])
assert_type(bracket(connect("here"), ask, close), Flow[object, str, NoFile | Refused])
assert_type(bracket(connect, ask >> upper, close), Flow[str, str, NoFile | Refused])
assert_type(bracket(connect, lambda found: ask(found), lambda found: close(found)), Flow[str, str, NoFile | Refused])
assert_type(bracket(connect, lambda found: plan(found.address), close), Flow[str, int, NoFile | NoPlan, Notes])

# nothing that can fail, and one of the three that can

assert_type(bracket(upper, upper, log), Flow[str, str])
assert_type(bracket(pure("a"), upper, log), Flow[object, str])
assert_type(bracket(read, lambda found: pure(len(found)), lambda _: now), Flow[str, int, NoFile])
assert_type(bracket(upper, read, log), Flow[str, bytes, NoFile])
assert_type(bracket(upper, upper, read), Flow[str, str, NoFile])

# the state that any of them asks for

assert_type(bracket(plan, lambda n: pure(str(n)), lambda _: now), Flow[str, str, NoPlan, Notes])
assert_type(bracket(upper, plan, log), Flow[str, int, NoPlan, Notes])
assert_type(bracket(upper, log, plan), Flow[str, None, NoPlan, Notes])
assert_type(bracket(upper, plan, plan), Flow[str, int, NoPlan, Notes])
assert_type(bracket(upper, answer, log), Flow[str, str, object])

# a finaliser

assert_type(ensure(upper, now), Flow[str, str])
assert_type(ensure(upper, log("closed")), Flow[str, str])
assert_type(ensure(read, plan("closed")), Flow[str, bytes, NoFile | NoPlan, Notes])
assert_type(ensure(plan, fail("no")), Flow[str, int, NoPlan | str, Notes])
