"""From a folder of pictures to weights."""
