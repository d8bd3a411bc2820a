"""Schedules as values: how often to retry, and how long to wait before each retry.

A ``Schedule`` denotes a finite or infinite sequence of delays in seconds, one per retry. The first attempt does not
count and starts at once; the n-th delay is waited before the n-th retry; where the sequence ends, retrying stops.
Who waits, on which clock, is the engine's business; here is only the sequence.

Read "ended" as a delay longer than all others: then ``&`` is the longer and ``|`` the shorter of two delays, place by
place, and schedules are a distributive lattice (``=``: same delays for every seed; ``tests/laws/test_schedules.py``):

    associativity    (a & b) & c = a & (b & c)           (a | b) | c = a | (b | c)
    commutativity    a & b = b & a                       a | b = b | a
    idempotence      a & a = a                           a | a = a
    absorption       a & (a | b) = a                     a | (a & b) = a
    distributivity   a & (b | c) = (a & b) | (a & c)     a | (b & c) = (a | b) & (a | c)
    identity         a & spaced(0) = a                   a | never = a

They hold for jittered schedules too, since the draw for the n-th delay is made of the seed and ``n`` alone.
``==`` is finer than ``=``: it compares how two schedules were written. The idea of an algebra of schedules is that of
Haskell's ``retry`` and of ``Schedule`` in ZIO and Effect.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from itertools import repeat
from typing import Literal, TypeAlias, assert_never

from mce.errors import DefinitionError, brief
from mce.records import dataclass

__all__ = ["Schedule", "exponential", "fibonacci", "never", "recurs", "spaced"]

_ENDED = math.inf
_LONGEST = sys.float_info.max


@dataclass(frozen=True, slots=True)
class _Recurs:
    times: int


@dataclass(frozen=True, slots=True)
class _Spaced:
    seconds: float


@dataclass(frozen=True, slots=True)
class _Exponential:
    base: float
    factor: float


@dataclass(frozen=True, slots=True)
class _Fibonacci:
    base: float


@dataclass(frozen=True, slots=True)
class _Jittered:
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Capped:
    seconds: float


@dataclass(frozen=True, slots=True)
class _UpTo:
    seconds: float


@dataclass(frozen=True, slots=True)
class _Join:
    sign: Literal["&", "|"]


_Leaf: TypeAlias = _Recurs | _Spaced | _Exponential | _Fibonacci
_Op: TypeAlias = _Leaf | _Jittered | _Capped | _UpTo | _Join


@dataclass(frozen=True, slots=True, repr=False)
class Schedule:
    """The delays before each retry, as a value; made by ``recurs``, ``spaced``, ``exponential``, ``fibonacci``.

    Immutable, comparable, picklable; its ``repr`` rebuilds it. ``&`` binds tighter than ``|``, as everywhere in Python.

    >>> persistent = exponential(0.1).jittered() & recurs(5) | spaced(30) & recurs(8)
    >>> len(list(persistent.delays(seed="run-1")))
    8
    >>> persistent
    exponential(0.1).jittered() & recurs(5) | spaced(30.0) & recurs(8)
    """

    # In postfix order: a tuple of any length instead of a tree of any depth, so nothing here can overflow the stack.
    ops: tuple[_Op, ...]

    def delays(self, seed: str | int = 0) -> Iterator[float]:
        """Give the delays one by one, in seconds, each finite and at least 0.

        ``seed`` decides the jitter and nothing else: equal seeds give equal delays in every process.

        >>> list((exponential(1) & recurs(3)).delays())
        [1.0, 2.0, 4.0]
        >>> list(never.delays())
        []
        """
        from random import Random  # loaded by those who wait

        sources = [_delays(op) if isinstance(op, _Leaf) else iter(()) for op in self.ops]
        spent = [0.0] * len(self.ops)
        n = 1
        while (delay := _next(self.ops, sources, spent, draw=Random(f"{seed}/{n}").random())) != _ENDED:
            yield delay
            n += 1

    def jittered(self, *, low: float = 0.5, high: float = 1.5) -> Schedule:
        """Multiply each delay by a factor between ``low`` and ``high`` that the seed decides, evenly spread.

        The factor of the n-th delay depends on the seed and ``n`` alone: schedules jittered alike stay in step. Laws:
        ``(a & b).jittered() = a.jittered() & b.jittered()``, the same for ``|``. Raises ``DefinitionError`` for a
        bound that is negative or not finite, or ``high < low``.

        >>> list((spaced(10).jittered(low=2, high=2) & recurs(1)).delays())
        [20.0]
        >>> spaced(10).jittered(low=2)
        Traceback (most recent call last):
        mce.errors.DefinitionError: jittered: high must be at least low (2.0), not 1.5
        """
        least, most = _amount("jittered", "low", low), _amount("jittered", "high", high)
        if most < least:
            raise DefinitionError(f"jittered: high must be at least low ({least}), not {most}")
        return Schedule((*self.ops, _Jittered(least, most)))

    def capped(self, seconds: float) -> Schedule:
        """Wait at most ``seconds`` before each retry; the number of retries stays.

        Laws: ``(a & b).capped(t) = a.capped(t) & b.capped(t)``, the same for ``|``. Raises ``DefinitionError`` for
        seconds that are negative or not finite.

        >>> list((exponential(1) & recurs(4)).capped(3).delays())
        [1.0, 2.0, 3.0, 3.0]
        >>> exponential(1).capped(-3)
        Traceback (most recent call last):
        mce.errors.DefinitionError: capped: seconds must be a finite number of at least 0, not -3
        """
        return Schedule((*self.ops, _Capped(_amount("capped", "seconds", seconds))))

    def up_to(self, seconds: float) -> Schedule:
        """Stop before the sum of the delays exceeds ``seconds``; the time that the attempts take does not count.

        Not a law: it does not distribute over ``&`` and ``|``, since the sum is that of the delays chosen, and it does
        not commute with ``capped`` and ``jittered``. Delays of 0 use nothing up, so ``recurs`` is the bound for those.
        Floats are added: three times 0.1 is more than 0.3. Raises ``DefinitionError`` for seconds that are negative or
        not finite.

        >>> list(exponential(1).up_to(10).delays())
        [1.0, 2.0, 4.0]
        >>> exponential(1).up_to(float("nan"))
        Traceback (most recent call last):
        mce.errors.DefinitionError: up_to: seconds must be a finite number of at least 0, not nan
        """
        return Schedule((*self.ops, _UpTo(_amount("up_to", "seconds", seconds))))

    def __and__(self, other: Schedule) -> Schedule:
        """Go on while both do and wait the longer of their delays; laws: see the module."""
        return Schedule((*self.ops, *other.ops, _Join("&"))) if isinstance(other, Schedule) else NotImplemented

    def __or__(self, other: Schedule) -> Schedule:
        """Go on while either does and wait the shorter delay of those that do; laws: see the module."""
        return Schedule((*self.ops, *other.ops, _Join("|"))) if isinstance(other, Schedule) else NotImplemented

    def __repr__(self) -> str:
        return _written(self.ops)


def recurs(n: int) -> Schedule:
    """Retry ``n`` times without waiting; the first attempt does not count, so up to ``n + 1`` attempts are made.

    Raises ``DefinitionError`` for an ``n`` that is no whole number of at least 0.

    >>> list(recurs(2).delays())
    [0.0, 0.0]
    >>> recurs(-1)
    Traceback (most recent call last):
    mce.errors.DefinitionError: recurs: n must be a whole number of at least 0, not -1
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise DefinitionError(f"recurs: n must be a whole number of at least 0, not {brief(n)}")
    return Schedule((_Recurs(n),))


def spaced(seconds: float) -> Schedule:
    """Retry for ever and wait ``seconds`` before each retry; the first attempt does not count and starts at once.

    Raises ``DefinitionError`` for seconds that are negative or not finite.

    >>> list((spaced(30) & recurs(2)).delays())
    [30.0, 30.0]
    >>> spaced("30")
    Traceback (most recent call last):
    mce.errors.DefinitionError: spaced: seconds must be a finite number of at least 0, not '30'
    """
    return Schedule((_Spaced(_amount("spaced", "seconds", seconds)),))


def exponential(base: float, *, factor: float = 2.0) -> Schedule:
    """Retry for ever after ``base`` seconds, then ``factor`` times the last delay; the first attempt does not count.

    A delay too long for a float stays at the longest float, so it is finite for ever; ``capped`` sets a
    sensible bound. Raises ``DefinitionError`` for a number that is negative or not finite.

    >>> list((exponential(0.5, factor=3) & recurs(3)).delays())
    [0.5, 1.5, 4.5]
    >>> exponential(0.5, factor=-3)
    Traceback (most recent call last):
    mce.errors.DefinitionError: exponential: factor must be a finite number of at least 0, not -3
    """
    return Schedule((_Exponential(_amount("exponential", "base", base), _amount("exponential", "factor", factor)),))


def fibonacci(base: float) -> Schedule:
    """Retry for ever after ``base`` seconds, again, then the last two delays added; the first attempt does not count.

    A delay too long for a float stays at the longest float. Raises ``DefinitionError`` for a base that is negative or
    not finite.

    >>> list((fibonacci(1) & recurs(5)).delays())
    [1.0, 1.0, 2.0, 3.0, 5.0]
    >>> fibonacci(None)
    Traceback (most recent call last):
    mce.errors.DefinitionError: fibonacci: base must be a finite number of at least 0, not None
    """
    return Schedule((_Fibonacci(_amount("fibonacci", "base", base)),))


never = recurs(0)
"""No retry at all, only the first attempt, which does not count: the identity of ``|``."""


def _amount(function: str, argument: str, value: float) -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:  # an int longer than any float
            number = math.inf
    if not 0 <= number < math.inf:
        raise DefinitionError(f"{function}: {argument} must be a finite number of at least 0, not {brief(value)}")
    return number


def _delays(leaf: _Leaf) -> Iterator[float]:
    """Give the delays of a schedule that is made of no other."""
    match leaf:
        case _Recurs(times):
            yield from (0.0 for _ in range(times))
        case _Spaced(seconds):
            yield from repeat(seconds)
        case _Exponential(delay, factor):
            while True:
                yield delay
                delay = min(delay * factor, _LONGEST)
        case _Fibonacci(delay):
            following = delay
            while True:
                yield delay
                delay, following = following, min(delay + following, _LONGEST)
        case _:
            assert_never(leaf)


def _next(ops: tuple[_Op, ...], sources: list[Iterator[float]], spent: list[float], draw: float) -> float:
    """Evaluate the expression for one more delay; ``spent`` holds the sum so far of each ``up_to``."""
    stack: list[float] = []
    for place, op in enumerate(ops):
        match op:
            case _Join(sign):
                choose = max if sign == "&" else min
                stack.append(choose(stack.pop(), stack.pop()))
            case _Jittered(low, high):
                stack.append(_scaled(stack.pop(), min(low + draw * (high - low), high)))
            case _Capped(seconds):
                delay = stack.pop()
                stack.append(delay if delay == _ENDED else min(delay, seconds))
            case _UpTo(seconds):
                spent[place] += stack[-1]
                if spent[place] > seconds:
                    stack[-1] = _ENDED
            case _Recurs() | _Spaced() | _Exponential() | _Fibonacci():
                stack.append(next(sources[place], _ENDED))
            case _:
                assert_never(op)
    return stack.pop()


def _scaled(delay: float, factor: float) -> float:
    return delay if delay == _ENDED else min(delay * factor, _LONGEST)


def _written(ops: tuple[_Op, ...]) -> str:
    """Write the expression as Python reads it, with parentheses only where they are needed."""
    stack: list[tuple[str, int]] = []  # a text, and how tightly it holds together: | 0, & 1, a call 2
    for op in ops:
        match op:
            case _Join(sign):
                hold = 1 if sign == "&" else 0
                right, left = _enclosed(*stack.pop(), hold + 1), _enclosed(*stack.pop(), hold)
                stack.append((f"{left} {sign} {right}", hold))
            case _Jittered() | _Capped() | _UpTo():
                stack.append((f"{_enclosed(*stack.pop(), 2)}.{_call(op)}", 2))
            case _Recurs() | _Spaced() | _Exponential() | _Fibonacci():
                stack.append((_call(op), 2))
            case _:
                assert_never(op)
    return stack.pop()[0]


def _enclosed(text: str, hold: int, needed: int) -> str:
    return text if hold >= needed else f"({text})"


def _call(op: _Leaf | _Jittered | _Capped | _UpTo) -> str:
    match op:
        case _Recurs(times):
            return f"recurs({times})"
        case _Spaced(seconds):
            return f"spaced({seconds})"
        case _Exponential(base, factor):
            return f"exponential({base})" if factor == 2 else f"exponential({base}, factor={factor})"
        case _Fibonacci(base):
            return f"fibonacci({base})"
        case _Jittered(low, high):
            return "jittered()" if (low, high) == (0.5, 1.5) else f"jittered(low={low}, high={high})"
        case _Capped(seconds):
            return f"capped({seconds})"
        case _UpTo(seconds):
            return f"up_to({seconds})"
        case _:
            assert_never(op)
