"""What is published, as folders: the model and the Space."""
