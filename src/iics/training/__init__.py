"""The two stages, their losses, and the rounds around them."""
