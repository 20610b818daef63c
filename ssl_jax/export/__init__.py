"""Takes a run elsewhere: embeddings of data, weights for PyTorch, a program for JAX alone."""
