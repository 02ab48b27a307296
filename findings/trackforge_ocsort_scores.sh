#!/usr/bin/env bash
# trackforge 0.4.0 (PyPI): `OCSORT.update` takes (box, score, class) and says nothing of the score's range. The score is a weight
# of the agreement in direction, which is added to the overlap *before* `iou_threshold` is applied. So with detectors whose scores
# are no probabilities (margins of an SVM, logits), a box that does not overlap the prediction at all is linked from a score of 3
# on: here one that lies 107 pixels further, 41 wide, is another person with score 1 and 2.9, and the same with 3.
# `SORT` of the same package is not concerned. Way out: give OCSORT 1.0 for every box, or scores within 0 to 1.
# Seen with Python 3.11:
#   OCSORT 1.0 [1, 1, 1, 2]   OCSORT 2.9 [1, 1, 1, 2]   OCSORT 3.0 [1, 1, 1, 1]   OCSORT 100.0 [1, 1, 1, 1]   SORT 100.0 [1, 1, 1, 2]
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet trackforge==0.4.0
"$folder/venv/bin/python" - <<'P'
import trackforge

LEFTS = (483.0, 462.0, 441.0, 334.0)  # three steps of 21 pixels, then a box 66 pixels clear of the one before


def numbers(kind, score):
    tracker = kind(max_age=5, min_hits=1, iou_threshold=0.3)
    return [tracker.update([([left, 158.0, 41.0, 98.0], score, 0)])[0][0] for left in LEFTS]


seen = {(kind.__name__, score): numbers(kind, score) for kind in (trackforge.OCSORT, trackforge.SORT) for score in (1.0, 2.9, 3.0, 100.0)}
for (name, score), found in seen.items():
    print(name, score, found)
apart, linked = [1, 1, 1, 2], [1, 1, 1, 1]
assert [seen["OCSORT", score] for score in (1.0, 2.9, 3.0, 100.0)] == [apart, apart, linked, linked], "OCSORT changed"
assert all(seen["SORT", score] == apart for score in (1.0, 2.9, 3.0, 100.0)), "SORT changed"
P
