"""`python -m iics` and the command `iics`."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from iics.cli import run
    from iics.cli.homeless import makeshift_home
    from iics.cli.streams import exit_code

    with makeshift_home():
        code = exit_code(run, sys.argv[1:])
    sys.exit(code)


if __name__ == "__main__":
    main()
