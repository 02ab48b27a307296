"""Networks: backbones, their normalisation, heads, and the model file."""
