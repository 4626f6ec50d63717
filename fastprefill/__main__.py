"""``python -m fastprefill``: the command line."""

from fastprefill.cli import main

if __name__ == "__main__":
    main()
