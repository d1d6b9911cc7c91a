"""The patch and the model at the left of every tab."""
