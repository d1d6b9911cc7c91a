"""The look: quiet surfaces, one accent, system fonts (none is fetched); the tissue is the only colourful thing."""

from pathlib import Path

import gradio as gr

__all__ = ["CSS", "theme"]


def theme() -> gr.themes.Base:
    """The theme for `launch`."""
    sans = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        font=sans,
        font_mono=mono,
        radius_size=gr.themes.sizes.radius_sm,
    ).set(
        body_background_fill="#fbfaf8",
        body_background_fill_dark="#171615",
        body_text_color="#22201d",
        body_text_color_dark="#edeae4",
        body_text_color_subdued="#5f5a53",
        body_text_color_subdued_dark="#b0aaa0",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1f1d1b",
        background_fill_secondary="#f1eeea",
        background_fill_secondary_dark="#2a2825",
        color_accent="#0f766e",
        border_color_primary="#d9d4cc",
        border_color_primary_dark="#45413c",
        block_shadow="none",
        block_border_width="0px",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_padding="0px",
        block_label_text_color="*body_text_color",
        block_label_text_color_dark="*body_text_color",
        block_label_border_width="0px",
        block_info_text_color="*body_text_color_subdued",
        checkbox_border_color="#8a847b",
        checkbox_border_color_dark="#8a847b",
        checkbox_border_width="1px",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_label_background_fill_selected="transparent",
        checkbox_label_background_fill_selected_dark="transparent",
        checkbox_label_background_fill_hover="transparent",
        checkbox_label_background_fill_hover_dark="transparent",
        checkbox_label_border_width="0px",
        checkbox_label_padding="4px 0",
    )


CSS = (Path(__file__).parent / "theme.css").read_text(encoding="utf-8")
