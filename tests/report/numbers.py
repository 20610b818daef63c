"""Scores as in ``evaluation.json``, in which the learned features are ahead."""

SCORES = {
    "knn_top1": 0.85,
    "linear_top1": 0.88,
    "linear100_top1": 0.75,
    "random_init_knn_top1": 0.80,
    "random_init_linear_top1": 0.86,
    "random_init_linear100_top1": 0.71,
    "input_knn_top1": 0.81,
    "input_linear_top1": 0.85,
    "input_linear100_top1": 0.70,
    **{
        f"{score}_top1_minus_{baseline}_se": error
        for score in ("knn", "linear", "linear100")
        for baseline, error in (("random_init", 0.006), ("input", 0.007))
    },
    "linear_top5": 0.991,
    "rankme": 41.5,
    "examples": 2000,
}
