"""Kill `Gallery.delete` in a folder at the n-th change of a file, for every n; then give it again.

    python killed_forgetting.py FOLDER FORGOTTEN...

prints a line for each n, as JSON: whether it was killed, and what the next command found. Each step forks this
process, so that what takes long, the imports, is done once.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pymilvus  # noqa: F401

from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import Gallery

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


def kill_at(number, folder):
    """Kill this process before the n-th change of a file below a folder, and before the file is opened for writing."""
    seen = 0

    def count(event, arguments):
        nonlocal seen
        is_change = event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & 3)
        if is_change and (event == "os.remove" or event == "os.rmdir" or str(folder) in str(arguments)):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def forget(folder, forgotten):
    with Gallery.open(str(folder)) as gallery:
        here = [crop.crop_id for crop in gallery.crops(GalleryFilters()) if crop.crop_id in forgotten]
        if here:
            gallery.delete(here)


def only_look(folder, forgotten):
    with Gallery.open(str(folder)):
        pass


def in_a_child(action):
    """Return the exit code of an action in a process of its own, below 0 if it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(Exception):
            action()
            code = 0
        sys.stderr.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main():
    whole, forgotten = Path(sys.argv[1]), set(sys.argv[2:])
    for number in range(1, 1000):
        folder = whole.parent / f"killed_{number}.db"
        shutil.copytree(whole, folder)

        def be_killed(folder=folder, number=number):
            kill_at(number, folder)
            forget(folder, forgotten)

        killed = in_a_child(be_killed)
        commands = [forget] if number % 2 else [only_look, forget]
        codes = [in_a_child(lambda f=folder, a=command: a(f, forgotten)) for command in commands]
        sys.stdout.write(json.dumps({"folder": str(folder), "killed": killed, "next": codes}) + "\n")
        sys.stdout.flush()
        if killed == 0:
            return


if __name__ == "__main__":
    main()
