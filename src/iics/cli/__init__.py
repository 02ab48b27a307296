"""The command line: parse, call, exit code. Each command is a module that is imported when it is asked for."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence

from iics.errors import IicsError
from iics.memory import ask_for_huge_pages
from iics.shown_name import shown

COMMANDS = {
    "train": "train a model on unlabelled crops or on identities, or resume a run",
    "evaluate": "measure mAP and CMC of a model",
    "report": "tell a run on one page: curves, figures, ranked lists, warnings",
    "compare": "put runs side by side: scores or label-free numbers, settings, seeds",
    "embed": "write the features of crops to a file",
    "export": "write a model as ONNX, in float32 and in eight bits",
    "check-data": "look for faults in a data set before training",
    "crop": "cut people out of a video, with camera, time and tracklet",
    "index": "put crops into a gallery, to search them",
    "search": "find the person of a picture in a gallery",
    "people": "link a gallery's tracklets into people across cameras, whose numbers stay",
    "forget": "delete crops from a gallery: by camera, time, file, tracklet or person",
    "watch": "index the crops of a folder as they arrive",
    "label": "say of fifty pairs whether they are one person: thresholds and rank-1 without identities",
    "app": "serve a page to search a gallery and browse clusters",
    "reproduce": "run the paper's tables and figures, beside the paper's numbers",
    "clear-cache": "remove the decoded pixels that training keeps on disk",
    "benchmark": "time what training computes beside plain forms of it",
}

EXIT_OK, EXIT_USER_ERROR, EXIT_INTERRUPTED = 0, 2, 130


def run(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code: 0, 1 for a part that failed, 2 for a user's mistake, 130 for Ctrl-C."""
    if not arguments or arguments[0] in ("-h", "--help", "--help-all"):
        print(_usage())
        return EXIT_OK if arguments else EXIT_USER_ERROR
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"iics {version('iics')}")
        return EXIT_OK
    command = arguments[0]
    if command not in COMMANDS:
        print(f"iics: error: unknown command {command!r}.\n\n{_usage()}", file=sys.stderr)
        return EXIT_USER_ERROR
    ask_for_huge_pages()
    handler = logging.StreamHandler(_CurrentStandardError())
    handler.setFormatter(_OneLine("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("iics").setLevel(logging.INFO)
    for database in ("milvus_lite", "grpc"):  # they log what they raise, and we say it in one line
        logging.getLogger(database).setLevel(logging.CRITICAL)
    try:
        module = importlib.import_module(f"iics.cli.{command.replace('-', '_')}")
        code: int = module.main(list(arguments[1:]))
    except IicsError as error:
        print(f"iics: error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except OSError as error:
        if error.filename is None:
            raise
        # The file system refused something that was named, where nobody had foreseen it: no fault of the program.
        print(f"iics: error: Cannot use {shown(error.filename)}: {error.strerror}.", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("iics: stopped.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code


class _OneLine(logging.Formatter):
    """Names in a message, whatever they hold, neither break its line nor reach the terminal as commands."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the parent's name
        return shown(super().formatMessage(record))


class _CurrentStandardError:
    """Standard error as it is when a line is written: a live display replaces it to keep its own line whole."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _usage() -> str:
    commands = "\n".join(f"  {name:<12} {text}" for name, text in COMMANDS.items())
    return (
        "usage: iics COMMAND ...\n\nPerson re-identification learned from unlabelled multi-camera crops.\n\n"
        f"commands:\n{commands}\n\nEvery command answers --help, with all its flags --help-all. Try: iics train sample"
    )
