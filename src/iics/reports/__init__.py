"""What is told of a run: its page, its pictures, its warnings, its model card."""
