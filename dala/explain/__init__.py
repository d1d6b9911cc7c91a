"""From a picture to an `Explanation`, and from there to files."""
