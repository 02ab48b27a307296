"""The features of a run that are kept in its folder, damaged byte by byte."""

import io

import numpy as np
import pytest

from iics.page.run_features import kept_features


@pytest.mark.parametrize("mask", [0x01, 0x08, 0xFF])
def test_kept_features_with_any_byte_changed_are_the_same_or_computed_anew(tmp_path, mask):
    features, file, content = np.eye(2, 4, dtype=np.float32), tmp_path / "kept.npz", io.BytesIO()
    np.savez(content, features=features, key=np.array("the key"))
    whole = content.getvalue()
    found = {"same": 0, "anew": 0}
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= mask
        file.write_bytes(changed)
        kept = kept_features(file, "the key", 2)
        assert kept is None or kept.tolist() == features.tolist(), place
        found["anew" if kept is None else "same"] += 1
    assert found["anew"] > found["same"] > 0
