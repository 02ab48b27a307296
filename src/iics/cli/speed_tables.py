"""The tables of `iics benchmark training`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from iics.speed.norm_speed import NormComparison
    from iics.speed.training_speed import PhaseSpeed


def norm_table(comparisons: list[NormComparison]) -> Table:
    """Return what each form of a norm costs, beside `nn.BatchNorm2d` and plain AIBN, which come first and second."""
    table = Table()
    for heading in ("maps", "memory", "form"):
        table.add_column(heading)
    for heading in ("ms", "x time of nn.BatchNorm2d", "times plain AIBN", "kept for backward, MB"):
        table.add_column(heading, justify="right")
    for comparison in comparisons:
        batch_norm, plain, _ = comparison.forms
        for speed in comparison.forms:
            table.add_row(
                " x ".join(map(str, comparison.shape)),
                comparison.layout,
                speed.form + (" + ReLU" if comparison.has_relu else ""),
                f"{1000 * speed.seconds:.1f}",
                f"{speed.seconds / batch_norm.seconds:.2f}",
                f"{plain.seconds / speed.seconds:.2f}",
                f"{speed.kept_bytes / 1e6:.1f}",
            )
        table.add_section()
    return table


def phase_table(speed: PhaseSpeed) -> Table:
    """Return crops per second of every form of a phase."""
    table = Table("form")
    for heading in ("s a run", "crops/s", "times plain"):
        table.add_column(heading, justify="right")
    for form in speed.forms:
        cells = f"{form.seconds:.3f}", f"{form.crops_per_second:.1f}", f"{form.times_plain:.2f}"
        table.add_row(form.form, *cells)
    return table
