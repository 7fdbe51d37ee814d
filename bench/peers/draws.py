"""Compares the negatives that the example `draws` draws with pytorch-metric-learning's. See draws.sh."""

import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from pytorch_metric_learning import miners
from scipy.stats import chi2

ROWS, PER_CLASS = 64, 4
TIMES = 3000


def data(dim):
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((ROWS, dim))
    # Spread over few directions, so that distances differ and some lie below the cutoff.
    rows = rows @ np.diag(1.0 / np.sqrt(1.0 + np.arange(dim)))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return rows, np.arange(ROWS) % (ROWS // PER_CLASS)


def ours(program, rows, labels, times):
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "rows")
        np.savetxt(file, np.column_stack([labels, rows]), fmt=["%d"] + ["%.9g"] * rows.shape[1])
        done = subprocess.run([program, file, str(times)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{program} failed: {done.stderr.strip()}")
    return np.array([line.split() for line in done.stdout.splitlines()], dtype=float)


def theirs(rows, labels, times):
    torch.manual_seed(1)
    miner = miners.DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=1.4)
    x, y = torch.from_numpy(rows), torch.from_numpy(labels)
    counts = np.zeros((len(rows), len(rows)))
    for _ in range(times):
        anchors, _, negatives = miner(x, y)
        np.add.at(counts, (anchors.numpy(), negatives.numpy()), 1)
    return counts


def homogeneity(a, b):
    """Chi-square of two samples of one distribution, and its degrees of freedom; rare outcomes are one."""
    rare = a + b < 10
    pool = lambda x: np.append(x[~rare], x[rare].sum())
    a, b = pool(a), pool(b)
    seen = a + b > 0
    a, b = a[seen], b[seen]
    expected = (a + b) * a.sum() / (a + b).sum()
    other = (a + b) - expected
    return ((a - expected) ** 2 / expected + (b - other) ** 2 / other).sum(), len(a) - 1


def main():
    program = sys.argv[1]
    rows, labels = data(32)
    a, b = ours(program, rows, labels, TIMES), theirs(rows, labels, TIMES)
    statistic, degrees = np.sum([homogeneity(x, y) for x, y in zip(a, b)], axis=0)
    chance = chi2.sf(statistic, degrees)
    print(f"32 dimensions, {int(a.sum())} and {int(b.sum())} draws of {ROWS} anchors:")
    print(f"  chi-square {statistic:.0f} of {degrees:.0f} degrees, chance {chance:.3f}")
    for near in [False, True]:
        rng = np.random.default_rng(6)
        rows = rng.standard_normal((128, 512)).astype(np.float32)
        if near:
            rows[1] = rows[0] + 1e-3
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        labels = np.arange(128) % 32
        distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
        has = ((labels[:, None] != labels[None]) & (distances < 1.4)).any(axis=1).sum()
        served = [(counts.sum(axis=1) > 0).sum() for counts in (ours(program, rows, labels, 1), theirs(rows, labels, 1))]
        what = "one near duplicate" if near else "random rows"
        print(f"512 dimensions, {what}: of {has} anchors with a negative, ours serves {served[0]}, the other {served[1]}")
        if served[0] != has:
            sys.exit("an anchor is not served")
    if not chance > 1e-3:
        sys.exit("the two differ")


main()
