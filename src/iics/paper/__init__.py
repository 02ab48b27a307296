"""What is reproduced: the paper's tables and figures, the runs they need, and the paper's own numbers."""
