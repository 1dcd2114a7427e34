"""`make gpu-check`: each family at its published size on random weights, setting by setting.

The arithmetic is that of the real weights, and nothing is downloaded. What random weights cannot
show is how many steps a cache skips on real ones, and how the frames look.
"""
