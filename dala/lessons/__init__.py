"""What the page shows and takes home, without Gradio."""
