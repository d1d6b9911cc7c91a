"""Synthetic patches whose evidence is known."""
