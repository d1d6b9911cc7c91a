"""Fine-tuning keeps the statistics of batch-norm."""

import torch

from dala.models.dala_resnet import DALAResNet50
from dala.training.trainer import freeze_batch_norm


def test_batch_norm_is_frozen_in_training_mode():
    model = DALAResNet50().train()
    freeze_batch_norm(model)
    before = model.bn1.running_mean.clone()
    model(torch.rand(2, 3, 64, 64))
    assert torch.equal(model.bn1.running_mean, before)
    assert model.head.training
