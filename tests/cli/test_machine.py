"""The machine that a benchmark ran on."""

from __future__ import annotations

import re

from iics.cli.machine import machine_line


def test_the_machine_is_named():
    line = machine_line(keeps_freed_memory=False)
    assert re.search(r".+, \d+ cores, \d+ threads, torch .+, malloc as it comes$", line)
    assert machine_line(keeps_freed_memory=True) == line.replace("malloc as it comes", "freed memory is kept (glibc)")
