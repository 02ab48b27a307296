"""Pixels: the crops of a CropSet decoded, kept on disk, and made into training images."""
