"""``python -m mce``: the command line."""

from mce.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
