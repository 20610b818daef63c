"""A trained run, loaded from its workdir."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from ssl_jax import methods
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.data.modalities.base import batch_like
from ssl_jax.errors import InputError
from ssl_jax.evaluation.features import extract, make_embed
from ssl_jax.methods.base import Method
from ssl_jax.placement import make_placement
from ssl_jax.runs.resume import restore_latest
from ssl_jax.runs.workdir import read_assets, read_config
from ssl_jax.train import optim


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

    def embed(self, inputs: Any) -> Float[np.ndarray, "n d"]:
        """Returns the features that the evaluation scores.

        Each new number of inputs is compiled once.

        Args:
          inputs: of the modality of the training data. Images: ``[n, h, w, c]`` or, if gray,
            ``[n, h, w]``; uint8 0 to 255 or float 0 to 1; of any size, in gray or color. They are
            resized, cropped to a square and normalized as in training. Clips: uint8
            ``[n, f, h, w, c]``. Texts: a list of str, of which the first window of tokens is read.

        Returns:
          ``[n, d]`` float32.

        Raises:
          InputError: the inputs have another shape, type or range.
        """
        source = MODALITIES[self.config.data.modality].read(inputs, self.config.data, self.assets)
        placement, settings = make_placement(), self.config.evaluation
        embed = make_embed(self.method, self.params, self.extra, settings.layers, placement)
        return extract(embed, source, settings.batch_size, placement).z


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
    workdir = Path(workdir)
    config = read_config(workdir)
    method, optimizer = method or methods.make(config), optim.make(config)
    batch = batch_like(MODALITIES[config.data.modality].example(config.data), 1)
    state = restore_latest(workdir, method, optimizer, batch, make_placement())
    if state is None:
        raise InputError(f"{workdir}: has no checkpoint; expected a run that has saved one")
    return Run(config, method, state.params, state.extra, int(state.step), read_assets(workdir))
