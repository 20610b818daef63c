"""The settings of ``config.evaluation``."""

from ssl_jax import settings

SETTINGS = {
    "layers": settings.names(
        ("features",), "layers that are concatenated into the evaluated features"
    ),
    "probe_layers": settings.names((), "layers that are also probed one by one", may_be_empty=True),
    "batch_size": settings.integer(500, "examples per batch of feature extraction", at_least=1),
    "knn_k": settings.integer(20, "number of neighbors that vote in kNN", at_least=1),
    "knn_temperature": settings.real(0.1, "temperature of the kNN votes", above=0),
    "train_examples": settings.integer(
        50_000, "largest number of training examples that probes are fitted to", at_least=1
    ),
}
