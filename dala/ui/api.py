"""What other programs may ask of the app, over HTTP."""

from typing import Any

import gradio as gr
from PIL import Image

from dala import export, threshold
from dala.errors import DalaError
from dala.explain import Explainer
from dala.ui.session import sentence
from dala.ui.uploads import uploaded_file

__all__ = ["build"]


class Api:
    """The endpoints' handlers."""

    def __init__(self, explainer: Explainer) -> None:
        self.explainer = explainer

    def explain(
        self, image: Any, target: str | None = None, rule: str = threshold.DEFAULT_RULE, strength: float | None = None
    ) -> tuple[dict[str, Any], Image.Image, Image.Image]:
        """Explain one patch with Grad-CAM and DT Grad-CAM. For teaching, not for diagnosis.

        Args:
            image: the patch (PNG, JPEG, TIFF, WebP, BMP, GIF; at least 32 px a side).
            target: name of the class to explain; empty for the predicted one.
            rule: mean_std, otsu, percentile or share_of_max.
            strength: the rule's control: k, none, percent, share; empty for its default.

        Returns:
            every number as JSON (probabilities, tau, kept area, raw maximum, model, versions), and the two overlays.
        """
        try:
            explanation = self.explainer.explain(uploaded_file(image), target or None)
            kept = export.thresholds(explanation, rule or threshold.DEFAULT_RULE, strength)
        except DalaError as error:
            raise sentence(error) from None
        pictures = export.pictures(explanation, kept)
        return export.values(explanation, kept, self.explainer), pictures["grad_cam"], pictures["dt_grad_cam"]


def build(explainer: Explainer) -> None:
    """Bind the endpoints, in the current context."""
    api = Api(explainer)
    # Not rendered: they give the endpoint its types.
    image, target = gr.Image(visible=False, type="filepath"), gr.Textbox(visible=False)
    rule = gr.Dropdown(list(threshold.RULES), value=threshold.DEFAULT_RULE, visible=False)
    strength, trigger = gr.Number(value=None, visible=False), gr.Button(visible=False)
    numbers, plain, kept = gr.JSON(visible=False), *(gr.Image(visible=False, format="png") for _ in range(2))
    trigger.click(
        api.explain, [image, target, rule, strength], [numbers, plain, kept], preprocess=False, api_name="explain",
        concurrency_id="model", concurrency_limit=1,
    )  # fmt: skip
