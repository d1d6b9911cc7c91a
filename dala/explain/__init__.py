"""From a picture to an `Explanation`, and from there to files.

- `question`: the class, methods, layer and kind of evidence.
- `engine`: run a network stage by stage.
- `own_engine`: run a network of one's own, given as features and head.
- `contract`: what such a network has to be.
- `form`: what its features return.
- `outputs`: what its head returns.
- `batching`: pictures that share a forward pass, within the GPU's memory.
- `explanation`: the result for one picture.
- `explainer`: the public class that explains pictures with one network.
- `export`: an explanation as pictures, numbers and files.
- `folder`: explain a folder of pictures, resumable.
- `decomposition`: the contribution of each feature map to Grad-CAM.
- `gate`: the mean gate of the attention over many pictures.
- `shift`: the check of laboratories, as a file beside the weights.
- `recentring`: probabilities of one laboratory's pictures, with the offset taken from their own mean.
"""
