"""Settings for clips of drawn people."""

import pytest

from iics.video.crop_settings import CropSettings


@pytest.fixture(scope="session")
def hog():
    """Settings for the clips: HOG, people of 85 pixels and more."""

    def settings(**changes):
        return CropSettings(**{"camera": "lobby", "detector": "hog", "min_height": 85, **changes})

    return settings
