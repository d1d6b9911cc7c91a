"""Bytes to an RGB picture to the network's input, and what pixels alone tell."""
