"""Contents of the page's tabs and of their downloads, without Gradio.

- `glossary`: the terms of the page.
- `svg`: charts.
- `contact_sheet`: sheets of small maps.
- `walkthrough`: Grad-CAM in six steps.
- `walkthrough_files`: its download.
- `threshold_lab`: a map's values and the threshold rules as data.
- `threshold_figure`: the figure of the threshold lab.
- `threshold_lab_files`: its download.
- `laboratories_figure`: recipes at home against laboratories held out.
- `handout`: what a download needs beside maps and numbers.
- `trust_page`: the checks of one map as a page.
"""
