"""Compares the example `densities` with scikit-learn's KernelDensity and LocalOutlierFactor. See densities.sh."""

import os
import subprocess
import sys
import tempfile

import numpy as np
from sklearn.neighbors import KernelDensity, LocalOutlierFactor

EPSILON = float(np.finfo(np.float32).eps)
ANEW = 40  # rows that a density is fitted without, one after another
# Rows of the bank, queries, dimensions, k, bandwidth
CASES = [
    (500, 200, 2, 5, 0.3),
    (2000, 500, 8, 20, 0.8),
    (3000, 500, 32, 10, 2.5),
    (3000, 300, 128, 20, 5.0),
    # Not narrower: scikit-learn's KernelDensity ends with the bounds of its tree where a density is below 1e-16 of them. With h = 0.2 its
    # logarithm is -28 where all terms summed give -558.
    (1000, 300, 16, 35, 1.5),
]


def mixture(rng, n, dim):
    """Rows of four clusters of different widths, in single precision."""
    centres = np.random.default_rng(7).normal(0.0, 2.0, (4, dim))
    part = rng.integers(0, 4, n)
    rows = centres[part] + rng.normal(size=(n, dim)) * np.array([0.3, 0.6, 1.0, 1.5])[part][:, None]
    return rows.astype(np.float32)


def ours(program, folder, k, h, *sets):
    """Three columns: log density by neighbours, by kernels, and the outlier factor."""
    files = []
    for i, rows in enumerate(sets):
        files.append(os.path.join(folder, f"rows{i}"))
        np.savetxt(files[-1], rows, fmt="%.9g")
    done = subprocess.run([program, *files, f"k={k}", f"h={h}"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{program} failed: {done.stderr.strip()}")
    return np.array([line.split() for line in done.stdout.splitlines()], dtype=float).T


def kernel_tolerance(queries, bank, h):
    """What rounding explains, for each query.

    A distance in single precision from a block is off by (2 dim + 66) epsilon relative, an exponent -z^2/2 by z^2 times that, weighted
    as in the sum and once more for the nearest, which is taken out; a kernel by 2^-21, the sum of 512 of them by as many epsilon / 16.
    """
    z2 = (((queries[:, None, :] - bank[None, :, :]) / h) ** 2).sum(axis=2)
    nearest = z2.min(axis=1)
    weights = np.exp(-0.5 * (z2 - nearest[:, None]))
    spread = (z2 * weights).sum(axis=1) / weights.sum(axis=1)
    return (2 * bank.shape[1] + 66) * EPSILON * (spread + nearest) + 2.0**-21 + 32 * EPSILON


def report(what, got, want, tolerance):
    """Prints the worst deviation and the one nearest to its tolerance. Is all within?"""
    deviation = np.abs(got - want)
    share = deviation / tolerance
    worst = int(np.argmax(share))
    print(
        f"{what:58} worst {deviation.max():.2e}; nearest to its tolerance {deviation[worst]:.2e} of {tolerance[worst]:.2e}"
        f"{'' if share.max() <= 1 else '  BEYOND'}",
        flush=True,
    )
    return share.max() <= 1


def compare(program, folder, case):
    n, m, dim, k, h = case
    rng = np.random.default_rng(n + dim)
    bank, queries = mixture(rng, n, dim), mixture(rng, m, dim)
    exact, asked = bank.astype(np.float64), queries.astype(np.float64)
    name = f"{n} x {dim}, k = {k}, h = {h}"
    _, gaussian, factors = ours(program, folder, k, h, bank, queries)
    _, gaussian_self, factors_self = ours(program, folder, k, h, bank)
    good = []

    kernel = KernelDensity(bandwidth=h, kernel="gaussian").fit(exact)
    tolerance = np.concatenate([kernel_tolerance(part, exact, h) for part in np.array_split(asked, 20)])
    good.append(report(f"{name}: kernel densities", gaussian, kernel.score_samples(asked), tolerance))

    alone = np.arange(0, n, n // ANEW)
    others = [np.delete(exact, i, axis=0) for i in alone]
    want = [KernelDensity(bandwidth=h).fit(rest).score_samples(exact[[i]])[0] for i, rest in zip(alone, others)]
    tolerance = np.array([kernel_tolerance(exact[[i]], rest, h)[0] for i, rest in zip(alone, others)])
    good.append(report(f"{name}: the same, leave-one-out", gaussian_self[alone], np.array(want), tolerance))

    # Distances are off by (dim + 6) epsilon / 4 relative, each of the two means in a ratio by no more; scikit-learn adds 1e-10
    # to the means of reaches, which here are above 1e-3.
    relative = (dim + 6) * EPSILON / 2 + 2e-7
    lof = LocalOutlierFactor(n_neighbors=k).fit(exact)
    want = -lof.negative_outlier_factor_
    good.append(report(f"{name}: outlier factors", factors_self, want, relative * want))
    novelty = LocalOutlierFactor(n_neighbors=k, novelty=True).fit(exact)
    want = -novelty.score_samples(asked)
    good.append(report(f"{name}: outlier factors of new rows", factors, want, relative * want))
    return all(good)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: densities.py PROGRAM")
    with tempfile.TemporaryDirectory() as folder:
        good = [compare(sys.argv[1], folder, case) for case in CASES]
    if not all(good):
        sys.exit("densities deviate from scikit-learn's by more than rounding explains")
    print("all within rounding of scikit-learn's")


if __name__ == "__main__":
    main()
