"""Evaluation of ranked retrieval: CMC, mAP, and the protocols."""
