"""Self-distillation: a student predicts what its teacher, a slowly moving copy, says about a view.

No gradient reaches targets, teachers or centers.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ssl_jax.losses._shared import (
    Number,
    check_same_shape,
    check_shapes,
    in_float32,
    mean_over,
    normalize,
)
from ssl_jax.losses.masked import masked_mean


def cosine_regression(
    predictions: Float[Array, "n d"], targets: Float[Array, "n d"]
) -> Float[Array, " n"]:
    """Computes the loss of BYOL and SimSiam: predictions point in the direction of targets.

    ``l = 2 - 2 cos(prediction, target)``, the squared distance on the unit sphere.

    Args:
      predictions: ``[n, d]``, of any length; normalized inside.
      targets: ``[n, d]``, of any length; normalized inside. No gradient reaches them.

    Returns:
      ``[n]`` in float32 or wider, from 0 to 4. A zero vector gives 2.

    Raises:
      ValueError: if the shapes differ.

    Example:
      >>> import jax.numpy as jnp
      >>> from ssl_jax import losses
      >>> predictions = jnp.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
      >>> targets = jnp.array([[2.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])  # same, orthogonal, opposite
      >>> print(losses.cosine_regression(predictions, targets))
      [0. 2. 4.]

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, eq. 2, https://arxiv.org/abs/2006.07733
      Chen, He, Exploring Simple Siamese Representation Learning, 2021, eq. 1 (the paper has -cos),
      https://arxiv.org/abs/2011.10566
    """
    check_same_shape(predictions=predictions, targets=targets)
    p, t = in_float32(predictions, jax.lax.stop_gradient(targets))
    return 2 - 2 * jnp.sum(normalize(p) * normalize(t), axis=-1)


def cross_view(
    student: Float[Array, "v n k"],
    targets: Float[Array, "g n k"],
    *,
    temperature: Number = 0.1,
) -> Float[Array, " n"]:
    """Computes the cross-entropy between each target and the student's other views.

    ``l = mean over pairs (i, j), i a view with a target and j != i a view of the student, of -sum_k
    target_ik log softmax(student_j / temperature)_k``. DINO, DINOv2 and SwAV share it. A view never
    predicts its own target, so the student must learn what the views have in common.

    Args:
      student: ``[v, n, k]`` logits. The first ``g`` views are those of the targets.
      targets: ``[g, n, k]`` probabilities. No gradient reaches them.
      temperature: softmax temperature of the student, above 0. It may be traced, and gradients
        reach it.

    Returns:
      ``[n]`` in float32 or wider.

    Raises:
      ValueError: if the shapes do not match, there are more targets than views, or there is no
        pair.

    References:
      Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021, eq. 3,
      https://arxiv.org/abs/2104.14294
    """
    v, g = len(student), len(targets)
    check_shapes(
        student.shape[1:] == targets.shape[1:] and 1 <= g <= v and v > 1,
        "student [v, n, k] and targets [g, n, k] with g <= v and v > 1",
        student=student,
        targets=targets,
    )
    logits, targets = in_float32(student, jax.lax.stop_gradient(targets))
    log_p = jax.nn.log_softmax(logits / temperature, axis=-1)
    pairs = -jnp.einsum("gnk,vnk->gvn", targets, log_p, precision=jax.lax.Precision.HIGHEST)
    others = jnp.arange(g)[:, None] != jnp.arange(v)[None]
    return jnp.where(others[..., None], pairs, 0).sum(axis=(0, 1)) / (g * (v - 1))


def dino(
    student: Float[Array, "v n k"],
    teacher: Float[Array, "g n k"],
    center: Float[Array, " k"],
    *,
    student_temperature: Number = 0.1,
    teacher_temperature: Number = 0.04,
) -> Float[Array, " n"]:
    """Computes DINO's loss: ``cross_view`` with the centered, sharpened teacher as the target.

    ``target = softmax((teacher - center) / teacher_temperature)``. Centering alone leads to the
    uniform distribution, sharpening alone to a single prototype; together they avoid both.

    Args:
      student: ``[v, n, k]`` logits. The first ``g`` views are the teacher's.
      teacher: ``[g, n, k]`` logits. No gradient reaches them.
      center: ``[k]``, from ``update_center``. No gradient reaches it.
      student_temperature: softmax temperature of the student, above 0.
      teacher_temperature: softmax temperature of the teacher, above 0 and below the student's.

    Returns:
      ``[n]`` in float32 or wider. A uniform student gives ``log k``.

    Raises:
      ValueError: if the shapes do not match.

    Example:
      >>> import jax.numpy as jnp
      >>> from ssl_jax import losses
      >>> student, teacher = jnp.zeros((4, 2, 8)), jnp.ones((2, 2, 8))  # v = 4, g = 2, n = 2, k = 8
      >>> print(losses.dino(student, teacher, center=jnp.zeros(8)).round(2))  # log(8)
      [2.08 2.08]

    References:
      Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021, eq. 3 and
      Algorithm 1, https://arxiv.org/abs/2104.14294
    """
    check_shapes(
        student.ndim == teacher.ndim == 3
        and student.shape[1:] == teacher.shape[1:]
        and len(teacher) <= len(student)
        and center.shape == teacher.shape[2:],
        "student [v, n, k], teacher [g, n, k] with g <= v and center [k]",
        student=student,
        teacher=teacher,
        center=center,
    )
    targets = _sharpened(teacher, center, teacher_temperature)
    return cross_view(student, targets, temperature=student_temperature)


def ibot_patch(
    student: Float[Array, "n t k"],
    teacher: Float[Array, "n t k"],
    center: Float[Array, " k"],
    mask: Bool[Array, "n t"],
    *,
    student_temperature: Number = 0.1,
    teacher_temperature: Number = 0.04,
) -> Float[Array, " n"]:
    """Computes iBOT's patch loss: at hidden patches the student predicts the teacher.

    ``l = mean over hidden t of -sum_k softmax((teacher_t - center) / teacher_temperature)_k log
    softmax(student_t / student_temperature)_k``. The teacher sees the hidden patches.

    Args:
      student: ``[n, t, k]`` logits.
      teacher: ``[n, t, k]`` logits. No gradient reaches them.
      center: ``[k]``. No gradient reaches it.
      mask: ``[n, t]``, True where a patch is hidden and scored.
      student_temperature: softmax temperature of the student, above 0.
      teacher_temperature: softmax temperature of the teacher, above 0.

    Returns:
      ``[n]`` in float32 or wider; 0 where nothing is hidden.

    Raises:
      ValueError: if the shapes do not match.

    References:
      Zhou et al., iBOT: Image BERT Pre-Training with Online Tokenizer, 2022, eq. 2,
      https://arxiv.org/abs/2111.07832
    """
    check_same_shape(student=student, teacher=teacher)
    check_shapes(
        mask.shape == student.shape[:2] and center.shape == student.shape[2:],
        "mask [n, t] and center [k]",
        mask=mask,
        center=center,
        student=student,
    )
    targets = _sharpened(teacher, center, teacher_temperature)
    (logits,) = in_float32(student)
    log_p = jax.nn.log_softmax(logits / student_temperature, axis=-1)
    per_patch = -jnp.sum(targets * log_p, axis=-1)
    return masked_mean(per_patch, mask)


def update_center(
    center: Float[Array, " k"],
    teacher: Float[Array, "g n k"],
    *,
    momentum: Number = 0.9,
    axis_name: str | None = None,
) -> Float[Array, " k"]:
    """Returns DINO's updated center, a moving average of the teacher's logits.

    ``center' = momentum * center + (1 - momentum) * mean of the logits``.

    Args:
      center: ``[k]``.
      teacher: ``[g, n, k]`` logits.
      momentum: from 0 to 1.
      axis_name: mapped axis over whose devices the mean is taken.

    Returns:
      ``[k]`` in the type of ``center``, without gradient.

    Raises:
      ValueError: if the shapes do not match.

    References:
      Caron et al., 2021, eq. 4, https://arxiv.org/abs/2104.14294
    """
    check_shapes(
        teacher.ndim == 3 and center.shape == teacher.shape[2:],
        "center [k] and teacher [g, n, k]",
        center=center,
        teacher=teacher,
    )
    (logits,) = in_float32(jax.lax.stop_gradient(teacher))
    mean = mean_over(logits.mean(axis=(0, 1)), axis_name)
    old, new = in_float32(momentum * jax.lax.stop_gradient(center), (1 - momentum) * mean)
    return (old + new).astype(center.dtype)


def _sharpened(
    teacher: Float[Array, "*b k"], center: Float[Array, " k"], temperature: Number
) -> Float[Array, "*b k"]:
    logits, center = in_float32(teacher, jnp.broadcast_to(center, teacher.shape))
    return jax.lax.stop_gradient(jax.nn.softmax((logits - center) / temperature, axis=-1))
