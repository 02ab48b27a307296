"""IICS (Xuan and Zhang, CVPR 2021): stage 1 within cameras, stage 2 across them."""
