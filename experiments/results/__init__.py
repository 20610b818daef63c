"""Measured results as data, and the pages that are generated from them."""
