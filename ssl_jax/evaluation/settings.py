"""The settings of ``config.evaluation``."""

from ssl_jax import settings
from ssl_jax.evaluation.transforms import TRANSFORMS

SETTINGS = {
    "layers": settings.names(
        ("features",), "layers that are concatenated into the evaluated features"
    ),
    "linear_layers": settings.names(
        (), "layers that linear probes read instead of ``layers``", may_be_empty=True
    ),
    "probe_layers": settings.names((), "layers that are also probed one by one", may_be_empty=True),
    "batch_size": settings.integer(500, "examples per batch of feature extraction", at_least=1),
    "knn_k": settings.integer(
        None,
        "number of neighbors that vote in kNN; None: chosen on held-out training examples",
        at_least=1,
        optional=True,
    ),
    "knn_temperature": settings.real(
        None, "temperature of the kNN votes; None: chosen likewise", above=0, optional=True
    ),
    "knn_transform": settings.choice(
        None,
        "what is done to features before kNN; None: chosen likewise",
        tuple(TRANSFORMS),
        optional=True,
        earlier=lambda _: "raw",
    ),
    "train_examples": settings.integer(
        50_000, "largest number of training examples that probes are fitted to", at_least=1
    ),
    "test_examples": settings.integer(
        50_000, "largest number of test examples that are scored", at_least=1
    ),
}
