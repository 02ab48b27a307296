"""From video to crops: frames, boxes around people, tracklets, files."""
