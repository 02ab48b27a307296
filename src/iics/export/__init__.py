"""Deployment of a model: as an ONNX file, in eight bits, and on the boxes of a frame."""
