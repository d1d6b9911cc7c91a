"""The Hugging Face Hub over the wire."""
