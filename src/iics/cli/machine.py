"""What a benchmark ran on, and the console that its tables go to."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_CPUINFO = Path("/proc/cpuinfo")
_WIDTH_WITHOUT_TERMINAL = 160


def machine_line(*, keeps_freed_memory: bool) -> str:
    """Return processor, cores, threads, torch and malloc in one line: what times depend on."""
    memory = "freed memory is kept (glibc)" if keeps_freed_memory else "malloc as it comes"
    return f"{computer_line()}, {memory}"


def computer_line() -> str:
    """Return processor, cores, threads and torch in one line."""
    import torch

    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    names = [line for line in lines if line.startswith("model name")]
    processor = names[0].split(":")[1].strip() if names else platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}"


def console() -> Console:
    """Return a console on standard output, wide enough for a table where that is no terminal."""
    from rich.console import Console

    return Console(width=None if os.isatty(1) else _WIDTH_WITHOUT_TERMINAL)


def print_table(head: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print what was measured, and a table below it whose cells of numbers stand on the right."""
    from rich.table import Table

    table = Table()
    for at, column in enumerate(columns):
        is_numbers = all(row[at] == "-" or row[at][0].isdigit() for row in rows)
        table.add_column(column, justify="right" if is_numbers else "left")
    for row in rows:
        table.add_row(*row)
    out = console()
    out.print(head, highlight=False)
    out.print(table)


def gigabytes(count: int | None) -> str:
    """Return bytes in GB, a dash for what the kernel does not tell."""
    return "-" if count is None else f"{count / 1e9:.2f} GB"
