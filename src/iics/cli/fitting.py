"""What `iics train` and `iics check-data` do alike with a preset that fits itself to crops and machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iics import presets
from iics.cli.source import DataSource
from iics.config import Settings
from iics.device import may_have_gpu
from iics.errors import IicsError
from iics.progress_display import format_seconds

if TYPE_CHECKING:
    from iics.crops import CropSet
    from iics.data_splits import DataSplits
    from iics.runs.fitted_settings import FittedSettings

SECONDS_A_PHASE = 0.5
"""For each probe of the network before training, whose time is told: a tenth of what --estimate takes."""


@dataclass(frozen=True)
class Fitting:
    """A preset that is to be fitted.

    Attributes:
        settings: Of the preset, with what flags gave.
        keeping: Settings that flags gave.
        may_download: Whether weights may be downloaded.
    """

    settings: Settings
    keeping: frozenset[str]
    may_download: bool

    @classmethod
    def of(cls, preset: str | None, settings: Settings, keeping: frozenset[str] = frozenset()) -> Fitting | None:
        """Return it for a preset; None if the preset is none that fits itself, or flags gave all that is chosen."""
        if preset not in presets.FITTED:
            return None
        from iics.runs.fitted_settings import FITTED_FIELDS

        main = set(FITTED_FIELDS) - {"engine.parts"}
        return None if main <= keeping else cls(settings, keeping, presets.FITTED[preset])

    def network(self) -> FittedSettings:
        """Return the settings with a network that fits the machine and can start, before crops are read.

        Raises:
            SettingsError: If there is no such device.
            WeightsError: If no weights can be had.
        """
        from iics.runs.fitted_settings import fit_network, starting_problem_of
        from iics.runs.machine import Machine

        machine = Machine.here(self.settings.device)
        return fit_network(
            self.settings,
            machine,
            keeping=self.keeping,
            problem_of=starting_problem_of,
            may_download=self.may_download,
        )

    def length(self, fitted: FittedSettings, crops: CropSet) -> FittedSettings:
        """Return the settings with what depends on the crops."""
        from iics.runs.fitted_settings import fit_length

        return fit_length(fitted, num_crops=len(crops), num_cameras=crops.num_cameras)

    def without_torch(self, source: DataSource) -> FittedSettings | None:
        """Return what would be chosen if that shows at once, for a help: folders of cameras, and a processor alone.

        Args:
            source: The data.
        """
        from iics.runs.fitted_settings import fit_network, installed_problem
        from iics.runs.machine import Machine

        try:
            named = source.by_name()
            if named.data != "folder" or may_have_gpu():
                return None
            crops = named.load().to_train_on()
            fitted = fit_network(
                self.settings,
                Machine.processor(),
                keeping=self.keeping,
                problem_of=installed_problem,
                may_download=self.may_download,
            )
        except IicsError:  # the command itself says what is wrong
            return None
        return self.length(fitted, crops)

    def lines(self, fitted: FittedSettings, splits: DataSplits, *, is_alone: bool) -> tuple[str, str, str]:
        """Return three lines: what was chosen and why, what it takes here, what would be better and cost more.

        Args:
            fitted: What was chosen.
            splits: The data.
            is_alone: Whether one process trains, as the estimate takes it.
        """
        settings = fitted.settings
        if not is_alone or settings.method != "iics":
            time = "Time: not estimated; that is done for one process and the method iics."
        else:
            from iics.runs.estimate import estimate_run

            found = estimate_run(splits, settings, seconds_a_phase=SECONDS_A_PHASE)
            busy = ", which is busy: less if it is left alone" if found.is_busy else ""
            time = (
                f"Time: about {format_seconds(found.seconds)} on this machine{busy}; memory: about "
                f"{found.peak_bytes / 1e9:.1f} GB at most."
            )
        return fitted.choice_line, time, fitted.better_line
