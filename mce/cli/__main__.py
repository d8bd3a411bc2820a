"""``python -m mce.cli`` is ``mce``."""

from __future__ import annotations

from mce.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
