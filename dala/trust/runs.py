"""Run the network on pictures with parts hidden: the order of a map's pixels, and the logits."""

import torch
from torch import Tensor

from dala import cam
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.heatmaps import resize
from dala.trust.curves import TrustError
from dala.trust.infill import ranking

__all__ = ["logits_of", "ranks_of"]


def ranks_of(e: Explanation, method: str) -> Tensor:
    """(H * W,) the rank of each pixel, 0 the first."""
    if method in e.signed:
        signed = e.signed[method]
    else:
        blank = next(iter(e.signed.values()))[None, None].clone()  # of a control, only the grid counts
        signed = cam.METHODS[method](blank, blank, ())[0]
    order = ranking(*(resize.upsample(raw, e.picture.size[::-1]) for raw in (signed.relu(), signed)))
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order), device=order.device)
    return ranks


def logits_of(explainer: Explainer, x: Tensor, half: bool = False) -> Tensor:
    """(N, 3, H, W) -> (N, classes); split in two where the memory of the GPU is too small."""
    try:
        inputs = x.to(explainer.engine.device, memory_format=torch.channels_last)
        return explainer.engine.network(inputs, half).cpu()
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
    if len(x) == 1:
        raise TrustError("The GPU's memory is too small for this picture: use a smaller one, or the CPU.")
    return torch.cat([logits_of(explainer, part, half) for part in x.split(-(-len(x) // 2))])
