"""Features, scores and cameras -> pseudo-labels: distance, clustering, and what can be said of the clusters."""
