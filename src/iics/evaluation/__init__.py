"""Ranked retrieval measured: CMC, mAP, and who may match whom."""
