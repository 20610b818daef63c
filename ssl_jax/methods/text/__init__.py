"""Methods on text."""
