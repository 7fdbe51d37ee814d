"""Losses of pytorch-metric-learning, forward and backward, with the settings that `metric speed --op loss:NAME` has.

Rows are unit vectors, labels as there: row i has label i mod ceil(n / 4). As a program it tells the memory beyond its
inputs that a system takes, as `metric speed` tells ours:

  losses.py CASE SYSTEM      -> MB (2^20 bytes)

No process may take more than MOST bytes: a system that needs more fails instead of taking the machine with it.
"""

import json
import math
import resource
import sys

import numpy as np
import torch

MOST = 12 << 30


def pml_loss(name, n, dim, params):
    """The loss, and a miner or None; no loss where the library has none of that name."""
    from pytorch_metric_learning import distances, losses, miners

    classes = int(params.get("num_classes", -(-n // 4)))
    against = {"num_classes": classes, "embedding_size": dim}
    given = distances.LpDistance(normalize_embeddings=False)
    squares = distances.LpDistance(normalize_embeddings=False, power=2)
    cosine = distances.CosineSimilarity()
    miner = None
    if params.get("mining") == "semi_hard":
        miner = miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard", distance=given)
    made = {
        "angular": lambda: losses.AngularLoss(alpha=45),
        "arc_face": lambda: losses.ArcFaceLoss(**against, margin=math.degrees(0.5)),
        "circle": lambda: losses.CircleLoss(m=0.4, gamma=80),
        "contrastive": lambda: losses.ContrastiveLoss(pos_margin=0, neg_margin=1, distance=given),
        "cos_face": lambda: losses.CosFaceLoss(**against, margin=0.35, scale=64),
        "fast_ap": lambda: losses.FastAPLoss(num_bins=10),
        "generalized_lifted_structure": lambda: losses.GeneralizedLiftedStructureLoss(distance=given),
        "histogram": lambda: losses.HistogramLoss(n_bins=100),
        "intra_pair_variance": lambda: losses.IntraPairVarianceLoss(distance=cosine),
        "large_margin_softmax": lambda: losses.LargeMarginSoftmaxLoss(**against),
        "lifted_structure": lambda: losses.LiftedStructureLoss(neg_margin=1, pos_margin=0, distance=given),
        "margin": lambda: losses.MarginLoss(margin=0.2, beta=1.2, learn_beta=True, distance=given),
        "multi_similarity": lambda: losses.MultiSimilarityLoss(alpha=2, beta=50, base=1),
        "n_pairs": lambda: losses.NPairsLoss(distance=distances.DotProductSimilarity(normalize_embeddings=False)),
        "nca": lambda: losses.NCALoss(softmax_scale=1, distance=squares),
        "normalized_softmax": lambda: losses.NormalizedSoftmaxLoss(**against, temperature=0.05),
        "nt_xent": lambda: losses.NTXentLoss(temperature=0.07),
        "p2s_grad": lambda: losses.P2SGradLoss(dim, classes),
        "pnp": lambda: losses.PNPLoss(variant="O", anneal=0.01),
        "proxy_anchor": lambda: losses.ProxyAnchorLoss(**against, margin=0.1, alpha=32),
        "proxy_nca": lambda: losses.ProxyNCALoss(**against, softmax_scale=1),
        "ranked_list": lambda: losses.RankedListLoss(margin=0.4, Tn=10, Tp=0, distance=given),
        "signal_to_noise_ratio_contrastive": lambda: losses.SignalToNoiseRatioContrastiveLoss(
            distance=distances.SNRDistance(normalize_embeddings=False)
        ),
        "smooth_ap": lambda: losses.SmoothAPLoss(temperature=0.01),
        "soft_triple": lambda: losses.SoftTripleLoss(**against),
        "sphere_face": lambda: losses.SphereFaceLoss(**against),
        "sub_center_arc_face": lambda: losses.SubCenterArcFaceLoss(**against, margin=math.degrees(0.5)),
        "sup_con": lambda: losses.SupConLoss(temperature=0.1),
        "threshold_consistent_margin": lambda: losses.ThresholdConsistentMarginLoss(),
        "triplet_margin": lambda: losses.TripletMarginLoss(margin=0.2, distance=given),
        "tuplet_margin": lambda: losses.TupletMarginLoss(margin=math.degrees(0.1), scale=64),
    }.get(name)
    return (made() if made else None), miner


def nt_xent_by_matrix(x, labels):
    """The definition of `nt_xent` with a few matrices, for batches where the library's own is too large."""
    x = torch.nn.functional.normalize(x)
    logits = (x @ x.T) / 0.07
    same = labels[:, None] == labels
    others = torch.logsumexp(logits.masked_fill(same, -math.inf), 1, keepdim=True)
    positive = same & ~torch.eye(len(x), dtype=torch.bool)
    return torch.nn.functional.softplus(others - logits)[positive].mean()


def ways(case):
    """Each system's way to a loss and its gradients: functions without arguments."""
    resource.setrlimit(resource.RLIMIT_DATA, (MOST, MOST))
    name, n, dim = case["op"].partition(":")[2], case["n"], case["dim"]
    rows = np.random.default_rng(1).standard_normal((n, dim), dtype=np.float32)
    rows = torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    labels = torch.arange(n) % -(-n // 4)
    if name == "smooth_ap":  # the library wants the rows of a class together
        labels = labels.sort().values

    def step(loss, parameters=()):
        def run():
            for parameter in parameters:
                parameter.grad = None
            with torch.enable_grad():
                x = rows.clone().requires_grad_()
                try:
                    loss(x).backward()
                except RuntimeError as error:
                    if "allocate memory" in str(error):
                        raise MemoryError(f"needs more than {MOST >> 30} GB") from None
                    raise

        return run

    found = {}
    try:
        torch.manual_seed(1)
        loss, miner = pml_loss(name, n, dim, case.get("params", {}))
    except ImportError as error:
        print(f"left out: {error}", file=sys.stderr)
        loss, miner = None, None
    if loss and miner:
        found["pytorch-metric-learning"] = step(lambda x: loss(x, labels, miner(x, labels)))
    elif loss:
        found["pytorch-metric-learning"] = step(lambda x: loss(x, labels), list(loss.parameters()))
    if name == "nt_xent":
        found["torch, by matrix"] = step(lambda x: nt_xent_by_matrix(x, labels))
    return found


def resident_mb(field):
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) / 1024


def main():
    case, system = json.loads(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    run = ways(case)[system]
    before = resident_mb("VmRSS:")
    # proc_pid_clear_refs(5): 5 sets the peak to what is resident now.
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
    for _ in range(2):
        run()
    print(max(0.0, resident_mb("VmHWM:") - before))


if __name__ == "__main__":
    main()
