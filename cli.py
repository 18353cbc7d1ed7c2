"""The ``clearer`` command, from the source tree: ``python cli.py search --budget-mb 5``."""

from clearer.__main__ import main

if __name__ == "__main__":
    main()
