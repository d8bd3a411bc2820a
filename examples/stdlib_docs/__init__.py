"""The documentation of the installed standard library, searched and quoted: no network, no model.

    path = open_index()                                          # built on first use, then kept
    hits = merge_hits(search(path, words) for words in make_searches(question))
    documents = [read(path, hit.id) for hit in hits]
    weights = weigh(path, asked_stems(question))
    answer = compose_answer(question, best_passages(question, documents, weights))

``best_passages`` gives nothing when there is no evidence: then there is no answer.
"""

from __future__ import annotations

from .answers import Answer, Source, compose_answer
from .documents import Document, Progress
from .index import BrokenIndex, Hit, cache_folder, find_damage, merge_hits, open_index, read, search, weigh
from .passages import Passage, best_passages
from .questions import asked_stems, make_searches
from .sources import NoSources

__all__ = [
    "Answer",
    "BrokenIndex",
    "Document",
    "Hit",
    "NoSources",
    "Passage",
    "Progress",
    "Source",
    "asked_stems",
    "best_passages",
    "cache_folder",
    "compose_answer",
    "find_damage",
    "make_searches",
    "merge_hits",
    "open_index",
    "read",
    "search",
    "weigh",
]
