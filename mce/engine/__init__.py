"""The interpreter: a flow is compiled once into flat blocks and run by one loop with explicit frames.

Reading order: ``blocks`` (the program), ``compile`` (tree to program), ``fiber`` (one branch of a run), ``frames``
(what a region leaves to be done at its end), ``loop`` (the interpreter), ``branches`` (where branches meet), ``calls``
(calling a step with all that may be declared of it), ``run`` and ``handle`` (from outside).
"""

__all__: list[str] = []
