"""The model outside of training: as an ONNX file, in eight bits, and on the boxes of a frame."""
