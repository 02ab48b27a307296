"""Checks of a data set before training, and a picture of each camera's crops."""
