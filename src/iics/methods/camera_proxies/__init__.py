"""Camera proxies (CAP, AAAI 2021; O2CAP, 2022): density clusters, split by camera, and losses against the parts."""
