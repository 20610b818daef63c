"""The settings of ``config.train``."""

from ssl_jax import settings

SETTINGS = {
    "epochs": settings.real(None, "passes over the training examples", above=0, optional=True),
    "steps": settings.integer(
        None, "training steps; takes precedence over epochs", at_least=1, optional=True
    ),
    "checkpoint_every": settings.integer(500, "steps between checkpoints", at_least=1),
    "log_every": settings.integer(10, "steps between rows of metrics.jsonl", at_least=1),
    "microbatches": settings.integer(
        1, "slices of a batch, computed one after the other to save memory", at_least=1
    ),
    "online_probe": settings.flag(
        False, "whether a linear classifier is trained beside the method, to watch its accuracy"
    ),
    "online_classes": settings.integer(
        None, "classes of the online probe; set from the data", at_least=1, optional=True
    ),
    "remat": settings.flag(
        False, "whether backward passes recompute each block's activations to save memory"
    ),
}
