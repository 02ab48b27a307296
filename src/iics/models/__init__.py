"""Networks: backbones, heads, and the model file."""
