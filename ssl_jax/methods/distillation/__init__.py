"""Distillation: a student predicts what a teacher, or a stopped copy, says of another view."""
