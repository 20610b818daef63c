"""Methods on video."""
