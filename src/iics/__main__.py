"""`python -m iics` and the command `iics`."""

import gc
import sys

_SHORT = ("check-data", "embed", "evaluate", "export", "forget", "index", "people", "report", "search")
"""Commands that keep most of what they make, and make it while they start: a million objects of imported modules."""
_OBJECTS_BETWEEN_LOOKS = 100_000


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:2] and sys.argv[1] in _SHORT:  # Python's own 700 cost a fifth of the time to the first answer
        gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)
    from iics.cli import run
    from iics.cli.homeless import makeshift_home
    from iics.cli.streams import exit_code

    with makeshift_home():
        code = exit_code(run, sys.argv[1:])
    sys.exit(code)


if __name__ == "__main__":
    main()
