"""Reports of a run: its page, pictures, warnings and model card."""
