"""The errors a user can cause, each with a message that says what to do.

The command line prints these as one line and exits with code 2; anything else is a bug and keeps its traceback.
"""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from iics.shown_name import shown

T = TypeVar("T")


class IicsError(Exception):
    """A mistake in input, settings or files that the user can mend. Its text is one line, whatever names it holds."""

    def __str__(self) -> str:
        return shown(super().__str__())


class DataError(IicsError):
    """Crops that are missing, unreadable, unparsable or contradictory."""


class VideoError(IicsError):
    """A video that cannot be read, or that nobody is found in; or a folder of crops it does not fit into."""


class SettingsError(IicsError):
    """A setting, or a combination of settings, that cannot work."""


class WeightsError(IicsError):
    """A weights or model file that is corrupt or does not fit the backbone."""


class TrainingError(IicsError):
    """Training cannot go on with these crops or these pseudo-labels."""


class RunFolderError(IicsError):
    """A run folder that exists already, is incomplete, or belongs to another run."""


class WriteError(IicsError):
    """A file or folder that cannot be written."""


class EvaluationError(IicsError):
    """Nothing can be scored, or the arrays to score do not belong together."""


class GalleryError(IicsError):
    """A gallery that is not there, cannot be reached, is of another model, or is asked for what it cannot give."""


class PeopleError(IicsError):
    """People that a gallery does not have, corrections that contradict each other, or two who change them at once."""


class PageError(IicsError):
    """The page cannot be served."""


class ExportError(IicsError):
    """A model that cannot be exported, or a file that is no exported model."""


def check_setting(is_met: bool, message: str) -> None:
    """Refuse a setting, with a message that says what was needed and what came.

    Raises:
        SettingsError: If the condition is not met.
    """
    if not is_met:
        raise SettingsError(message)


def named(choices: Mapping[str, T], name: str, *, what: str) -> T:
    """Return what is called so.

    Args:
        choices: What there is, by name.
        name: Which is wanted.
        what: What is chosen, for the message: "method".

    Raises:
        SettingsError: If nothing is called so; the nearest name is suggested.
    """
    if name not in choices:
        near = difflib.get_close_matches(name, choices, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise SettingsError(f"There is no {what} {name!r}; there is {', '.join(choices)}.{hint}")
    return choices[name]
