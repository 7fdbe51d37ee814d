"""Miners of pytorch-metric-learning, with the settings that `metric speed --op miner:NAME` has.

Rows are unit vectors, labels as there: row i has label i mod ceil(n / 4). With `queries` so many anchors are compared with
the n rows.
"""

import numpy as np
import torch


def rows(n, dim, seed):
    x = np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)
    return torch.from_numpy(x / np.linalg.norm(x, axis=1, keepdims=True))


def miner(name, params):
    """The miner; none where the library has none of that name."""
    from pytorch_metric_learning import distances, miners

    given = distances.LpDistance(normalize_embeddings=False)
    margin = float(params.get("margin", 0.2))
    made = {
        "angular": lambda: miners.AngularMiner(angle=20),
        "batch_easy_hard": lambda: miners.BatchEasyHardMiner("easy", "semihard", distance=given),
        "batch_hard": lambda: miners.BatchHardMiner(distance=given),
        "distance_weighted": lambda: miners.DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=1.4),
        "hdc": lambda: miners.HDCMiner(filter_percentage=0.5, distance=given),
        "multi_similarity": lambda: miners.MultiSimilarityMiner(epsilon=0.1),
        "pair_margin": lambda: miners.PairMarginMiner(pos_margin=0.2, neg_margin=0.8, distance=given),
        "semi_hard": lambda: miners.TripletMarginMiner(margin, "semihard", distance=given),
        "triplet_margin": lambda: miners.TripletMarginMiner(margin, "all", distance=given),
        "triplet_margin_semi_hard": lambda: miners.TripletMarginMiner(margin, "semihard", distance=given),
        "uniform_histogram": lambda: miners.UniformHistogramMiner(100, 10, 10, distance=given),
    }
    return made[name]() if name in made else None


def ways(case):
    """{system: function that mines once} for a case of peers.py."""
    n, dim, queries = case["n"], case["dim"], case.get("queries") or 0
    chosen = miner(case["op"].partition(":")[2], case.get("params") or {})
    if chosen is None:
        return {}
    classes = -(-n // 4)
    items, labels = rows(n, dim, 1), torch.arange(n) % classes
    if queries == 0:
        return {"pytorch-metric-learning": lambda: chosen(items, labels)}
    anchors, of_anchors = rows(queries, dim, 2), torch.arange(queries) % classes
    return {"pytorch-metric-learning": lambda: chosen(anchors, of_anchors, items, labels)}
