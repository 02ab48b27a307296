"""`iics clear-cache`: remove the decoded pixels that training keeps on disk."""

from __future__ import annotations

from dataclasses import dataclass

from iics.cli.parse import parse


@dataclass(frozen=True)
class ClearCacheCommand:
    """Remove the decoded pixels that training keeps on disk; they are built again when they are needed.

    Other files in the folder stay, and what another process is writing.
    """

    cache_dir: str = ""
    """Folder that holds them. Empty: iics in $XDG_CACHE_HOME or ~/.cache."""


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(ClearCacheCommand, arguments, command="clear-cache")
    from iics.pixels.cache_folder import cache_folder, clear_cache

    folder = cache_folder(command.cache_dir)
    cleared = clear_cache(folder)
    for file in cleared.removed:
        print(f"removed {file.path.name}  {size_of(file.num_bytes)}")
    for path in cleared.kept:
        print(f"kept {path.name}: another process is writing it")
    if cleared.removed:
        total = sum(file.num_bytes for file in cleared.removed)
        print(f"{size_of(total)} freed in {folder}")
    elif not cleared.kept:
        print(f"There are no decoded pixels in {folder}.")
    return 0


def size_of(num_bytes: int) -> str:
    """Return a size as people read it: 0.2 MB, 1.27 GB."""
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"
