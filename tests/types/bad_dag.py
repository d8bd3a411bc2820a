"""Tasks that do not fit what they are given, and dags that do not fit where they stand."""

from __future__ import annotations

from mce import Dag, Flow, lift
from tests.types.vocabulary import NoFile, NoPlan, Notes, area, length, now, plan, read, recall, show, spend, upper

dag = Dag()
size = dag.add(length, "four")
name = dag.add(upper, "four")

# arguments

dag.add(length)  # E: takes one
dag.add(length, 3)  # E: int into str
dag.add(length, size)  # E: int into str
dag.add(length, name, name)  # E: takes one
dag.add(area, size)  # E: takes two
dag.add(area, size, name)  # E: str into int
dag.add(area, name, 3)  # E: str into int
dag.add(now, size, size)  # E: takes none
dag.add(length >> show, size)  # E: int into str
dag.add(lift(str.upper), size)  # E: int into str
dag.add(len, name)  # E: makes no flow
dag.add(3)  # E: no flow

# options

dag.add(length, name, after=name)  # E: no list
dag.add(length, name, after=["four"])  # E: no handle
dag.add(now, name=3)  # E: no text
dag.flow(length)  # E: no handle
dag.flow(size, on_failure="never")  # E: no such way

# what comes out

text: Flow[object, str] = dag.flow(size)  # E: an int
pair: Flow[object, tuple[int, int]] = dag.flow(size, name)  # E: a str
sure: Flow[object, int] = dag.flow(dag.add(area, dag.add(lift(len), dag.add(read, name)), 3))  # E: NoFile
planned: Flow[object, int, NoFile, Notes] = dag.flow(dag.add(plan, name))  # E: NoPlan
ordered: Flow[object, str] = dag.flow(dag.add(upper, name, after=[dag.add(read, name)]))  # E: NoFile
dag.flow(dag.add(plan, name)).run_sync()  # E: no state
dag.add(spend, dag.add(lift(float), dag.add(plan, name)))  # E: Notes and Purse
dag.flow(dag.add(recall, name)).run_sync(state=3)  # E: int is no Memory

# what goes in

taking = Dag[int]()
taking.add(length, taking.input)  # E: int into str
taking.flow(taking.add(show, taking.input)).run_sync("four")  # E: str into int
taking.flow(taking.add(show, taking.input)).run_sync()  # E: no input
number = upper >> taking.flow(taking.add(show, taking.input))  # E: str into int
wrong: Flow[object, int, NoPlan, Notes] = taking.flow(taking.add(plan, taking.add(show, taking.input)))  # E: an input

# graphs of data

Dag.from_edges({"a": 3}, {})  # E: no flow
Dag.from_edges({"a": length}, [("a",)])  # E: no pair
Dag.from_edges({3: length}, {})  # E: no name
