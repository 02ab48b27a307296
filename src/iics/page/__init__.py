"""The page of `iics app`: search a gallery with a crop, mark matches, browse the clusters of a run."""
