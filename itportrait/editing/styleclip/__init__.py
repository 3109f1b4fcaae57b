"""The styleclip method: global directions of style space, and codes optimized for portraits."""
