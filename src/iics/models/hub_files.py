"""Files of the Hugging Face hub: of the cache, or by a download that can be had.

Whether there is a network is found out in a second or two: the download itself would try for most of a minute.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path

from iics.errors import WeightsError

SECONDS_TO_ANSWER = 2.0
"""What the hub has to answer within, name look-up included."""


def stored_file(repository: str, file: str) -> Path | None:
    """Return where a file that was downloaded before is; None if it was not."""
    import huggingface_hub

    name, revision = _apart(repository)
    try:
        found = huggingface_hub.try_to_load_from_cache(name, file, revision=revision)
    except huggingface_hub.errors.HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def hub_file(repository: str, file: str, *, what: str) -> Path:
    """Return a file of a repository, from the cache or by a download.

    Args:
        repository: OWNER/NAME, perhaps with @REVISION.
        file: Its name there.
        what: What to call it in messages.

    Raises:
        WeightsError: If it cannot be had.
    """
    import huggingface_hub

    found = stored_file(repository, file)
    if found is not None:
        return found
    reason = download_problem(repository, file, what=what)
    if reason is not None:
        raise WeightsError(reason)
    name, revision = _apart(repository)
    try:
        return Path(huggingface_hub.hf_hub_download(name, file, revision=revision))
    except Exception as error:  # the hub's errors, httpx's and the disk's share no parent but this
        reason = str(error).partition("\n")[0]
        raise WeightsError(f"Cannot download {what} ({type(error).__name__}: {reason}).") from error


def download_problem(repository: str, file: str, *, what: str) -> str | None:
    """Return why there is no download to be had, in a sentence; None if the server answers.

    It is asked on a thread that is left behind when it takes too long: looking up a name knows no time limit.
    """
    import huggingface_hub
    from huggingface_hub import constants

    name, revision = _apart(repository)
    if constants.HF_HUB_OFFLINE:
        return f"Cannot download {what}: HF_HUB_OFFLINE is set, and it was not downloaded before."
    try:
        url = huggingface_hub.hf_hub_url(name, file, revision=revision)
    except ValueError as error:  # HFValidationError is one
        return f"Cannot download {what}: {str(error).rstrip('.')}."
    answers: list[str | None] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS_TO_ANSWER):
                answers.append(None)
        except (OSError, ValueError) as error:  # URLError and HTTPError are OSErrors
            answers.append(str(getattr(error, "reason", error)) or type(error).__name__)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS_TO_ANSWER)
    reason = answers[0] if answers else f"no answer in {SECONDS_TO_ANSWER:.0f} seconds"
    return None if reason is None else f"Cannot download {what}: {constants.ENDPOINT} cannot be reached ({reason})."


def _apart(repository: str) -> tuple[str, str | None]:
    name, _, revision = repository.partition("@")
    return name, revision or None
