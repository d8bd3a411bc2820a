"""What is written on the nodes of a picture: a title, what it does besides, and the part it plays, all in words."""

from __future__ import annotations

from mce.graph.ir import GraphNode

__all__ = ["badges", "cut", "note", "part", "title"]

_LENGTH = 40
_JOINS = {
    "accumulate": "every failure is kept",
    "settle": "failures are results",
    "speculate": "only one is wanted",
}


def cut(text: str, length: int = _LENGTH) -> str:
    """Write ``text`` on one line of at most ``length`` characters, without those that cannot be printed.

    >>> cut("two\\nlines")
    'two lines'
    >>> cut("a long story", 7)
    'a long…'
    """
    line = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in _spaced(text))
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def _spaced(text: str) -> str:
    return " ".join(text[: 10 * _LENGTH].split())


def title(node: GraphNode) -> str:
    """Name what a node does.

    >>> title(GraphNode(id="each", kind="each", label="each", limit=5))
    'for each, 5 at once'
    >>> title(GraphNode(id="loop", kind="loop", label="iterate", at_most=3))
    'repeat at most 3 times'
    """
    match node.kind:
        case "value":
            return cut(f"= {node.value}")
        case "fail":
            return cut(f"fail: {node.value}")
        case "state":
            return {"get": "read the state", "put": "replace the state", "modify": "change the state"}.get(
                node.label, cut(node.label)
            )
        case "suspend":
            return cut(f"wait for {node.value}")
        case "gather":
            return _joined(f"{node.count} of them" if node.mode == "quorum" else "all of", node)
        case "each":
            return _joined(f"for each, {_at_once(node.limit)}", node)
        case "dag":
            return _joined("tasks, each as soon as it can", node)
        case "race":
            return "the first to succeed"
        case "choice":
            return "one of"
        case "recover":
            return f"recover from {_failures(node)}"
        case "loop":
            return f"repeat {_times(node.at_most)}"
        case "bracket":
            return "acquire, use, release"
        case "focus":
            return cut(f"on the state's {node.part}")
        case "transact":
            return "all or nothing"
        case "retry" | "timeout" | "budget" | "guard":
            return ", ".join(badges(node)) or cut(node.label)
        case "step" | "function" | "dynamic" | "block" | "sequence" | "label":
            return cut(node.label)


def _joined(text: str, node: GraphNode) -> str:
    how = _JOINS.get(node.mode or "")
    return f"{text}; {how}" if how else text


def _at_once(limit: int | None) -> str:
    return "all at once" if limit is None else "one at a time" if limit == 1 else f"{limit} at once"


def _times(at_most: int | None) -> str:
    return "until done" if at_most is None else f"at most {at_most} time{'s' if at_most != 1 else ''}"


def _failures(node: GraphNode) -> str:
    return cut(" or ".join(node.on)) if node.on else "failure"


def note(node: GraphNode) -> str:
    """Say what is to be known of a node besides its title: the input that is supplied, what is known only later.

    >>> note(GraphNode(id="plan", kind="dynamic", label="plan"))
    'known when it runs'
    """
    given = "" if node.given is None else cut(f"given {node.given}")
    later = "known when it runs" if node.is_opaque else ""
    return ", ".join(part for part in (given, later) if part)


def badges(node: GraphNode) -> tuple[str, ...]:
    """Give the policies of a node in words, the outermost first, and what else wraps what it holds.

    >>> from mce.graph.ir import Policy
    >>> badges(GraphNode(id="f", kind="step", label="f", policies=(Policy(kind="timeout", text="timeout 3 s"),)))
    ('timeout 3 s',)
    """
    if node.kind in ("focus", "transact"):
        return (title(node),)
    on = f" on {_failures(node)}" if node.kind == "retry" and node.on else ""
    return tuple(cut(policy.text + on) for policy in node.policies)


def part(node: GraphNode, parent: GraphNode | None) -> str:
    """Say which part of its parent a node is, where that says more than its place does.

    >>> switch = GraphNode(id="switch", kind="choice", label="switch")
    >>> part(GraphNode(id="switch[book]/pay", kind="step", label="pay", parent="switch", slot="book"), switch)
    'if book'
    """
    if parent is None or not node.slot:
        return ""
    match parent.kind, node.slot:
        case "choice", "default":
            return "otherwise"
        case "choice", case:
            return f"if {cut(case)}"
        case "recover", "handler":
            return f"on {_failures(parent)}"
        case "bracket" | "guard", "acquire":
            return "first"
        case "bracket", "release":
            return "at the end"
        case "guard", "release":
            return "to undo"
        case "dag", task if task != node.label:
            return cut(task)
        case _:
            return ""
