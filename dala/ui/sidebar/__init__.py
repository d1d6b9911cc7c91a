"""The patch and the model, left of every tab.

- `patch`: the picture, its scale, the samples and the class to explain.
- `sample_list`: the samples that it offers.
- `model`: facts about the network, and the choice of another.
"""
