"""Masked methods: predict what is hidden from what is visible."""
