"""What is done with a raw map: thresholds, rendering, files, comparison. No network."""
