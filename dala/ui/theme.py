"""The look: quiet surfaces, one accent, system fonts (none is fetched); the tissue is the only colourful thing."""

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
        block_shadow="none",
        block_border_width="0px",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_padding="0px",
    )


CSS = """
.gradio-container { max-width: 1360px !important; margin: 0 auto; }
.gradio-container .main { padding: 14px 24px 24px; }
.head { display: flex; flex-wrap: wrap; gap: 2px 24px; align-items: baseline; justify-content: space-between; }
.head h1 { margin: 0; font-size: 22px; font-weight: 650; letter-spacing: -0.01em; }
.head h1 span { font-weight: 400; font-size: 16px; margin-left: 10px; color: var(--body-text-color-subdued); }
.head p, .run, .small { margin: 0; font-size: 13px; color: var(--body-text-color-subdued); }
.run { font-variant-numeric: tabular-nums; }
.patch img { object-fit: contain; }
.classes label { font-variant-numeric: tabular-nums; }
.classes .wrap { flex-direction: column; gap: 6px; }
.samples .grid-wrap { max-height: none; }
@media (max-width: 640px) {
  .gradio-container .main { padding: 10px 12px 20px; }
  .head h1 span { display: block; margin: 2px 0 0; }
}
"""
