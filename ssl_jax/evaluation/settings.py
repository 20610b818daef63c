"""The settings of ``config.evaluation``."""

from ssl_jax import settings

SETTINGS = {
    "layers": settings.names(("features",), "layers whose concatenation is evaluated"),
    "probe_layers": settings.names(
        (), "layers that each get a linear probe of their own", may_be_empty=True
    ),
    "batch_size": settings.integer(500, "examples per batch of feature extraction", at_least=1),
    "knn_k": settings.integer(20, "neighbors that vote in kNN", at_least=1),
    "knn_temperature": settings.real(0.1, "temperature of kNN's votes", above=0),
    "train_examples": settings.integer(
        50_000, "training examples that probes are fitted on, at most", at_least=1
    ),
}
