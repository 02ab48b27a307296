"""Layers of a network: normalisation (Eq. 12) and depthwise convolutions, with their passes compiled for processors."""
