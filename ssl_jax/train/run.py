"""A trained run, taken up again from its workdir."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from ssl_jax import methods
from ssl_jax.errors import InputError
from ssl_jax.evaluation.features import extract, make_embed
from ssl_jax.evaluation.modalities import MODALITIES
from ssl_jax.methods.base import Method
from ssl_jax.sharding import make_mesh, replicated
from ssl_jax.train.restore import restore_latest
from ssl_jax.train.workdir import read_assets, read_config


class Run(NamedTuple):
    """What a run learned.

    Attributes:
      config: resolved.
      method: that was trained.
      params: what gradients trained.
      extra: what lived beside them: BatchNorm statistics, teachers, queues.
      step: how many steps were made.
      assets: text files that the data has a run keep, such as a tokeniser.
    """

    config: ConfigDict
    method: Method
    params: Any
    extra: Any
    step: int
    assets: Mapping[str, str] = {}

    def embed(self, inputs: Any) -> Float[np.ndarray, "n d"]:
        """Features, the same as the evaluation scores.

        Compiles once for each new number of inputs.

        Args:
          inputs: of the kind that was trained on. Images ``[n, h, w, c]`` or, grey, ``[n, h, w]``;
            uint8 0 to 255 or float 0 to 1; any size and either depth: they are resized, cropped to
            a square and normalised as in training. Clips, uint8 ``[n, f, h, w, c]``. Texts, a list
            of str, of each of which the first window of tokens is read.

        Returns:
          ``[n, d]`` float32.

        Raises:
          InputError: another shape, type or range.
        """
        source = MODALITIES[self.config.data.modality].read(inputs, self.config.data, self.assets)
        mesh, settings = make_mesh(), self.config.evaluation
        embed = make_embed(self.method, self.params, self.extra, settings.layers, mesh)
        return extract(embed, source, settings.batch_size, mesh).z


def load(workdir: str | Path, *, method: Method | None = None) -> Run:
    """The run in a workdir, at its last checkpoint.

    Args:
      workdir: that ``pretrain.py`` or ``fit`` wrote.
      method: that was trained; by default the one that the run's config names.

    Returns:
      The run.

    Raises:
      InputError: there is no such run, it has no checkpoint, or the checkpoint does not fit.
    """
    workdir = Path(workdir)
    config = read_config(workdir)
    method = method or methods.make(config)
    example = MODALITIES[config.data.modality].example(config.data)
    batch = {
        name: jax.ShapeDtypeStruct((1, *one.shape), one.dtype) for name, one in example.items()
    }
    state = restore_latest(workdir, method, config, batch, replicated(make_mesh()))
    if state is None:
        raise InputError(f"{workdir}: has no checkpoint; expected a run that has saved one")
    return Run(config, method, state.params, state.extra, int(state.step), read_assets(workdir))
