#!/usr/bin/env bash
# opencv-python-headless 4.14.0.94 (FFmpeg backend; 4.9.0.80 does the same): a video whose display matrix *mirrors* it left to right
# (a, b, c, d = -1, 0, 0, 1) is turned by 180 degrees: people stand on their heads. FFmpeg and players show its upper edge above.
# CAP_PROP_ORIENTATION_META says 180, so a mirrored video cannot be told from one that was filmed upside down either.
# Seen: "matrix mirror: META 180, green edge is below"; a half turn gives the same line, no matrix gives "above".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==4.14.0.94
cd "$folder"
venv/bin/python - <<'P'
import struct

import cv2
import numpy as np

frame = np.zeros((96, 160, 3), np.uint8)
frame[:24] = (0, 255, 0)  # a green upper edge
writer = cv2.VideoWriter("plain.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 25, (160, 96))
for _ in range(10):
    writer.write(frame)
writer.release()
data = open("plain.mp4", "rb").read()
at = data.index(b"tkhd") + 44  # the matrix of the track's header: a, b, u, c, d, v, x, y, w
ONE = 1 << 16
seen = {}
for name, (a, b, c, d) in {"none": (ONE, 0, 0, ONE), "mirror": (-ONE, 0, 0, ONE), "half turn": (-ONE, 0, 0, -ONE)}.items():
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    open("shown.mp4", "wb").write(data[:at] + matrix + data[at + 36 :])
    capture = cv2.VideoCapture("shown.mp4", cv2.CAP_FFMPEG)
    angle = int(capture.get(cv2.CAP_PROP_ORIENTATION_META))
    pixels = capture.read()[1]
    seen[name] = angle, "above" if pixels[4, 80, 1] > 200 else "below"
    print(f"matrix {name}: META {angle}, green edge is {seen[name][1]}")
assert seen == {"none": (0, "above"), "mirror": (180, "below"), "half turn": (180, "below")}, "changed"
P
