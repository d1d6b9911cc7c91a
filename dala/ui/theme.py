"""The theme: plain surfaces, one accent colour, system fonts. Nothing is fetched; only the tissue is colourful."""

from pathlib import Path

import gradio as gr

__all__ = ["CSS", "theme"]

# Gradio's theme variables: (light, dark); None where the light value serves both.
TOKENS: dict[str, tuple[str, str | None]] = {
    "body_background_fill": ("#fbfaf8", "#171615"),
    "body_text_color": ("#22201d", "#edeae4"),
    "body_text_color_subdued": ("#5f5a53", "#b0aaa0"),
    "background_fill_primary": ("#ffffff", "#1f1d1b"),
    "background_fill_secondary": ("#f1eeea", "#2a2825"),
    "color_accent": ("#0f766e", None),
    "border_color_primary": ("#d9d4cc", "#45413c"),
    "block_shadow": ("none", None),
    "block_border_width": ("0px", None),
    "block_background_fill": ("transparent", "transparent"),
    "block_label_background_fill": ("transparent", "transparent"),
    "block_padding": ("0px", None),
    "block_label_text_color": ("*body_text_color", "*body_text_color"),
    "block_label_border_width": ("0px", None),
    "block_info_text_color": ("*body_text_color_subdued", None),
    "checkbox_border_color": ("#8a847b", "#8a847b"),
    "checkbox_border_width": ("1px", None),
    "checkbox_label_background_fill": ("transparent", "transparent"),
    "checkbox_label_background_fill_selected": ("transparent", "transparent"),
    "checkbox_label_background_fill_hover": ("transparent", "transparent"),
    "checkbox_label_border_width": ("0px", None),
    "checkbox_label_padding": ("4px 0", None),
}


def theme() -> gr.themes.Base:
    """The theme, for `launch`."""
    values = {name: light for name, (light, _) in TOKENS.items()}
    values |= {f"{name}_dark": dark for name, (_, dark) in TOKENS.items() if dark}
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
        radius_size=gr.themes.sizes.radius_sm,
    ).set(**values)


CSS = (Path(__file__).parent / "theme.css").read_text(encoding="utf-8")
