"""Readers: folders, tables, name patterns, boxes in frames and benchmarks -> CropSets."""
