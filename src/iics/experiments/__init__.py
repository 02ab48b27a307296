"""The paper's tables and figures, reports of runs, and measurements: how fast and how lean the method computes."""
