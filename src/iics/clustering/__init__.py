"""From distances to clusters (Eq. 4): one average-linkage dendrogram, the ways to cut it, the number to cut it into."""
