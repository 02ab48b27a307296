"""What is clustered: score overlap, inter-camera similarity, re-ranked distance."""
