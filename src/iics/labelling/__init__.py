"""Features, scores and cameras -> pseudo-labels: distance, clustering, and statistics of the clusters."""
