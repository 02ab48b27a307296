"""`python -m iics` and the command `iics`."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from iics.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
