"""Comparisons of speed, run on purpose: `pytest -m performance`."""
