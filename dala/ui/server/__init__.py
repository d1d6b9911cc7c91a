"""Everything that touches Gradio's internals."""
