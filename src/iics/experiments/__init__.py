"""Measurements: how fast and how lean what the method computes is."""
