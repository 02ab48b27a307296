"""Crops: where they lie, what they show, how they become batches."""
