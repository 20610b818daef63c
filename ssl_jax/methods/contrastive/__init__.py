"""Contrastive methods: views of an image attract, other images repel."""
