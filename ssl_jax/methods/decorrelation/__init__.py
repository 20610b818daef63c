"""Decorrelation: views agree, and dimensions carry different information."""
