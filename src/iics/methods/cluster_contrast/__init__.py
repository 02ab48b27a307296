"""Cluster Contrast (Dai et al., 2021): density clusters and a memory of their means; no cameras needed."""
