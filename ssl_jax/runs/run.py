"""A trained run, loaded from its workdir."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from ssl_jax import methods
from ssl_jax.config import declared
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.data.modalities.base import batch_like
from ssl_jax.errors import InputError
from ssl_jax.evaluation.features import Embed, extract, make_embed, make_predict
from ssl_jax.methods.base import Method
from ssl_jax.paths import expanded
from ssl_jax.placement import Placement, make_placement
from ssl_jax.runs.resume import restore_latest
from ssl_jax.runs.session import own_settings
from ssl_jax.runs.workdir import read_assets, read_config
from ssl_jax.train import online_probe, optim


class Run(NamedTuple):
    """A run's config, method and trained state.

    Attributes:
      config: resolved.
      method: the method that was trained.
      params: trained parameters.
      extra: the rest of the method's state, such as BatchNorm statistics, teachers and queues.
      step: number of steps made.
      assets: text files that belong to the data, such as a tokenizer, by name.
    """

    config: ConfigDict
    method: Method
    params: Any
    extra: Any
    step: int
    assets: Mapping[str, str] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles without the method, which the config names; functions of a closure do not pickle.

        A run of a user's own method pickles if the method's functions do.
        """
        if declared(self.config) is None:
            return Run, tuple(self)
        return _rebuilt, (self.config, self.params, self.extra, self.step, self.assets)

    @own_settings()
    def embed(self, inputs: Any) -> Float[np.ndarray, "n d"]:
        """Returns the features that the evaluation scores.

        Each new number of inputs is compiled once.

        Args:
          inputs: of the modality of the training data. Images: ``[n, h, w, c]``; ``[n, h, w]`` if
            the run is gray; uint8 0 to 255 or float 0 to 1; of any size, gray or color. They are
            resized, cropped to a square and normalized as in training. Clips: uint8
            ``[n, f, h, w, c]``. Texts: a list of str, of which the first window of tokens is read.

        Returns:
          ``[n, d]`` float32.

        Raises:
          InputError: the inputs have another shape, type or range.
        """
        placement = make_placement()
        layers = self.config.evaluation.layers
        embed = make_embed(self.method, self.params, self.extra, layers, placement)
        return self._computed(embed, inputs, placement)

    @own_settings()
    def predict(self, inputs: Any) -> Float[np.ndarray, "n k"]:
        """Returns the probability of each class ``config.method.classes``, of a fine-tuned run.

        Args:
          inputs: as for ``embed``.

        Returns:
          ``[n, k]`` float32; each row sums to 1.

        Raises:
          InputError: the run does not classify, or the inputs have another shape, type or range.
        """
        placement = make_placement()
        return self._computed(self.probabilities(placement), inputs, placement)

    def probabilities(self, placement: Placement) -> Embed:
        """Builds the compiled function from a batch to the probability of each class.

        Raises:
          InputError: the run does not classify.
        """
        if self.method.predict is None:
            name = self.config.get("method", {}).get("name", "the method")
            raise InputError(f"predict: {name} does not classify; expected a fine-tuned run")
        logits = make_predict(self.method, self.params, self.extra, placement)
        return lambda batch: jax.nn.softmax(logits(batch))

    def _computed(
        self, compute: Embed, inputs: Any, placement: Placement
    ) -> Float[np.ndarray, "n _"]:
        source = MODALITIES[self.config.data.modality].read(inputs, self.config.data, self.assets)
        return extract(compute, source, self.config.evaluation.batch_size, placement).z


def _rebuilt(config: ConfigDict, *state: Any) -> Run:
    """Rebuilds a run that was pickled without its method."""
    return Run(config, methods.make(config), *state)


@own_settings()
def load(workdir: str | Path, *, method: Method | None = None) -> Run:
    """Loads a run from its workdir, at its last checkpoint.

    Args:
      workdir: a folder that ``pretrain.py`` or ``fit`` wrote.
      method: the method that was trained; by default the one that the run's config names.

    Returns:
      The run.

    Raises:
      InputError: there is no such run, it has no checkpoint, or the checkpoint does not fit.
    """
    workdir = expanded(workdir)
    config = read_config(workdir)
    method, optimizer = method or methods.make(config), optim.make(config)
    batch = batch_like(MODALITIES[config.data.modality].example(config.data), 1)
    trained = online_probe.beside(method, config)
    state = restore_latest(workdir, trained, optimizer, batch, make_placement())
    if state is None:
        raise InputError(f"{workdir}: has no checkpoint; expected a run that has saved one")
    extra = online_probe.without(state.extra, config)
    return Run(config, method, state.params, extra, int(state.step), read_assets(workdir))
