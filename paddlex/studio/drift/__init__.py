"""Drift: whether a product is still judged as on its first days; and if not, what changed: light, focus, position or parts."""
