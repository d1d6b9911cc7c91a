"""From a folder of pictures to weights.

- `options`: a setting as an option, and its checks.
- `config_parts`: the five parts of the settings.
- `config`: all settings, each of which is an option of `dala train`.
- `phantom_data`: generated pictures as training data.
- `networks`: networks by name.
- `initialization`: initial weights.
- `distributed`: the processes of a run.
- `photometric`: augmentations of pixels.
- `geometry`: where an augmented picture is cut, its scale and its orientation.
- `augmentation`: all augmentations on batches, and mixup within a class.
- `places`: places of a picture, and how much of each lies on nuclei.
- `frozen_features`: features of the frozen stages of many pictures.
- `feature_cache`: features of the frozen stages, cached on disk.
- `datasets`: training inputs as torch `Dataset`s.
- `ridge`: ridge regression of the classes, with terms for patients, sets and nuclei.
- `probes`: attention and head fitted to frozen features.
- `checkpoint`: checkpoints, and interrupts between steps.
- `anchor`: the weights before fine-tuning, for a pull and an average.
- `trainer`: the fine-tuning loop.
- `fit`: networks as candidates: initialized, fitted and scored.
- `baselines`: baseline classifiers on colour or ImageNet features.
- `candidates`: everything that cross-validation fits and scores.
- `outside`: score shifted pictures and laboratories that were not trained on.
- `pictures`: read and split the pictures.
- `provenance`: what a network was trained on.
- `run_folder`: the folder of a run.
- `cross_validation`: cross-validate the candidates, and train the final network.
"""
