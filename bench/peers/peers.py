"""The other systems, as a server: a JSON request a line on standard input, a JSON answer a line on standard output.

A request names a case, {"op", "n", "dim", "k", "queries", "params"}, and what to do with it:
  {"list": true}   which systems have the operation       -> [name, ...]
  {"only": name}   time one of them, or without it all    -> {name: {"wall_ms", "cpu_ms"}}
  {"laws": true}   how well each keeps the laws           -> {name: {"self_distance", "asymmetry", "worst_relative_error"}}
A system that fails answers {"error": reason} under its name. Inputs are made before the clock starts, once a case, and
every call is preceded by one that is not counted the first time. The number of threads is that of OMP_NUM_THREADS.

  peers.py faiss | others
"""

import gc
import json
import os
import sys
import time
from functools import partial

import numpy as np

THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
OFFSET = np.float32(1e4)
MM_ROWS = 256  # queries a block where all distances of a block are held


def load(name):
    try:
        return __import__(name)
    except ImportError as error:
        print(f"left out: {error}", file=sys.stderr)
        return None


if sys.argv[1:] == ["faiss"]:
    faiss, torch, sklearn, numkong, usearch = load("faiss"), None, None, None, None
    scipy = None
    if faiss:
        faiss.omp_set_num_threads(THREADS)
else:
    faiss = None
    torch, scipy, sklearn, numkong, usearch = map(load, ["torch", "scipy", "sklearn", "numkong", "usearch"])
    if torch:
        torch.set_num_threads(THREADS)
        torch.set_grad_enabled(False)


def rows(n, dim, seed):
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)


def precision_of(dim):
    a = rows(dim, dim, 3).astype(np.float64)
    return a @ a.T / dim + np.eye(dim)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def squared_by_product(x, y):
    """|x|^2 - 2 x.y + |y|^2, one product of matrices."""
    left, right = (x * x).sum(1, keepdim=True), (y * y).sum(1)
    return torch.addmm(right.expand(len(x), -1), x, y.T, alpha=-2).add_(left).clamp_(min=0)


# Matrices of all pairs: functions of x and y that return the matrix.


def pairwise(name, x, y, params):
    """Each system's way to the distances of all pairs."""
    ways = {}
    p = float(params.get("p", 3))
    if name == "mahalanobis":
        precision = precision_of(x.shape[1])
        factor = np.linalg.cholesky(precision).astype(np.float32)
    if scipy:
        from scipy.spatial.distance import cdist

        named = {
            "squared_euclidean": ("sqeuclidean", {}),
            "euclidean": ("euclidean", {}),
            "cosine": ("cosine", {}),
            "manhattan": ("cityblock", {}),
            "chebyshev": ("chebyshev", {}),
            "minkowski": ("minkowski", {"p": p}),
        }
        if name in named:
            metric, options = named[name]
            ways["scipy"] = partial(cdist, x, y, metric, **options)
        elif name == "mahalanobis":
            ways["scipy"] = lambda: cdist(x, y, "mahalanobis", VI=precision)
        elif name == "inner_product":
            ways["numpy"] = lambda: x @ y.T
    if sklearn:
        from sklearn.metrics import pairwise_distances

        named = {
            "squared_euclidean": ("sqeuclidean", {}),
            "euclidean": ("euclidean", {}),
            "cosine": ("cosine", {}),
            "manhattan": ("manhattan", {}),
            "chebyshev": ("chebyshev", {}),
            "minkowski": ("minkowski", {"p": p}),
        }
        if name == "squared_euclidean":
            from sklearn.metrics.pairwise import euclidean_distances

            ways["scikit-learn"] = lambda: euclidean_distances(x, y, squared=True)
        elif name in named:
            metric, options = named[name]
            ways["scikit-learn"] = partial(pairwise_distances, x, y, metric, **options)
        elif name == "mahalanobis":
            ways["scikit-learn"] = lambda: pairwise_distances(x, y, "mahalanobis", VI=precision)
    if torch:
        a = torch.from_numpy(x)
        b = a if y is x else torch.from_numpy(y)
        orders = {"euclidean": 2.0, "manhattan": 1.0, "chebyshev": float("inf"), "minkowski": p}
        if name in orders:
            order = orders[name]
            ways["torch cdist"] = lambda: torch.cdist(a, b, p=order)
        if name == "euclidean":
            exact = "donot_use_mm_for_euclid_dist"
            ways["torch cdist, no mm"] = lambda: torch.cdist(a, b, compute_mode=exact)
            ways["torch mm"] = lambda: squared_by_product(a, b).sqrt_()
        elif name == "squared_euclidean":
            ways["torch cdist"] = lambda: torch.cdist(a, b).square_()
            ways["torch mm"] = lambda: squared_by_product(a, b)
        elif name == "cosine":
            normalize = torch.nn.functional.normalize
            ways["torch mm"] = lambda: (normalize(a) @ normalize(b).T).neg_().add_(1)
        elif name == "inner_product":
            ways["torch mm"] = lambda: a @ b.T
        elif name == "mahalanobis":
            whiten = torch.from_numpy(factor)
            ways["torch cdist"] = lambda: torch.cdist(a @ whiten, b @ whiten)
            ways["torch mm"] = lambda: squared_by_product(a @ whiten, b @ whiten).sqrt_()
    if faiss:
        of = faiss.pairwise_distances
        metrics = {"manhattan": (faiss.METRIC_L1, 0), "chebyshev": (faiss.METRIC_Linf, 0), "minkowski": (faiss.METRIC_Lp, p)}

        def root(matrix):
            np.maximum(matrix, 0, out=matrix)
            return np.sqrt(matrix, out=matrix)

        if name in metrics:
            metric, order = metrics[name]

            def generic():
                found = of(x, y, metric, order)
                return np.power(found, np.float32(1 / p), out=found) if name == "minkowski" else found

            ways["faiss"] = generic
        elif name == "squared_euclidean":
            ways["faiss"] = lambda: of(x, y)
        elif name == "euclidean":
            ways["faiss"] = lambda: root(of(x, y))
        elif name == "mahalanobis":
            ways["faiss"] = lambda: root(of(x @ factor, y @ factor))
        elif name == "cosine":

            def cosine():
                u, v = x.copy(), y.copy()
                faiss.normalize_L2(u)
                faiss.normalize_L2(v)
                found = of(u, v)
                return np.multiply(found, np.float32(0.5), out=found)

            ways["faiss"] = cosine
    if numkong:
        named = {"squared_euclidean": "sqeuclidean", "euclidean": "euclidean", "cosine": "angular", "inner_product": "dot"}
        packed = {"euclidean": "euclideans_packed", "cosine": "angulars_packed", "inner_product": "dots_packed"}
        if name in named:
            ways["numkong"] = lambda: np.asarray(numkong.cdist(x, y, named[name]))
        if name in packed:
            of_packed = getattr(numkong, packed[name])
            ways["numkong packed"] = lambda: np.asarray(of_packed(x, numkong.dots_pack(y)))
    return ways


# Neighbours: functions that return what they found.


def neighbours(name, base, queries, k):
    if name not in ("euclidean", "squared_euclidean"):
        return {}
    ways = {}
    asked = base if queries is None else queries
    # A row among its own neighbours is one more.
    count = k + 1 if queries is None else k
    if sklearn:
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(base)
        ways["scikit-learn"] = lambda: search.kneighbors(queries)
    if torch:
        b, q = torch.from_numpy(base), torch.from_numpy(asked)

        def by_product():
            squares = (b * b).sum(1)
            found = []
            for block in q.split(MM_ROWS):
                ranks = torch.addmm(squares.expand(len(block), -1), block, b.T, alpha=-2)
                values, indices = ranks.topk(count, largest=False)
                found.append(((values + (block * block).sum(1, keepdim=True)).clamp_(min=0).sqrt_(), indices))
            return found

        ways["torch mm + topk"] = by_product
    if usearch:
        from usearch.index import MetricKind, search as exact_search

        ways["usearch exact"] = lambda: exact_search(base, asked, count, MetricKind.L2sq, exact=True, threads=THREADS)
    if numkong and len(asked) == 1:

        def by_cdist():
            distances = np.asarray(numkong.cdist(asked, base, "euclidean"))[0]
            first = np.argpartition(distances, k)[:k]
            return first[np.argsort(distances[first])]

        ways["numkong cdist"] = by_cdist
    if faiss:
        index = faiss.IndexFlatL2(base.shape[1])
        index.add(base)
        ways["faiss"] = lambda: index.search(asked, count)
    return ways


# k-means.


def k_means(x, k, iterations):
    ways = {}
    start = x[:k].copy()
    if sklearn:
        from sklearn.cluster import KMeans

        def fit(algorithm):
            # A tolerance of 0 still stops at a fixed point, which so few iterations do not reach.
            return lambda: KMeans(k, init=start, n_init=1, max_iter=iterations, tol=0, algorithm=algorithm).fit(x)

        ways["scikit-learn Lloyd"], ways["scikit-learn Elkan"] = fit("lloyd"), fit("elkan")
    if torch:
        rows_, first = torch.from_numpy(x), torch.from_numpy(start)

        def lloyd():
            centres = first.clone()
            for _ in range(iterations):
                squares = (centres * centres).sum(1)
                label = torch.cat(
                    [torch.addmm(squares.expand(len(b), -1), b, centres.T, alpha=-2).argmin(1) for b in rows_.split(4096)]
                )
                sums = torch.zeros_like(centres).index_add_(0, label, rows_)
                counts = torch.bincount(label, minlength=k).clamp_(min=1)
                centres = sums / counts[:, None]
            return centres

        ways["torch mm"] = lloyd
    if faiss:

        def train():
            # All rows, not a sample of them.
            k_means = faiss.Kmeans(x.shape[1], k, niter=iterations, max_points_per_centroid=len(x))
            k_means.train(x, init_centroids=start)
            return k_means.centroids

        ways["faiss"] = train
    return ways


def k_means_start(x, k):
    if not sklearn:
        return {}
    from sklearn.cluster import kmeans_plusplus

    return {
        "scikit-learn": lambda: kmeans_plusplus(x, k, random_state=1),
        "scikit-learn, 1 trial": lambda: kmeans_plusplus(x, k, random_state=1, n_local_trials=1),
    }


# Training steps.


def residual_network(nn):
    """ResNet-18 with a 3 x 3 stem, up to the mean over all pixels."""

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
            self.relu, self.shortcut = nn.ReLU(inplace=True), nn.Identity()
            if inputs != outputs:
                self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y.add_(self.shortcut(x)))

    layers, inputs = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)], 64
    for outputs in (64, 128, 256, 512):
        layers += [Block(inputs, outputs, 1 if inputs == outputs else 2), Block(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def train_step(name, n):
    """Forward, backward and one step of Adam with a softmax loss over 10 classes."""
    if not torch:
        return {}
    nn = torch.nn

    def block(inputs, outputs, pool=True):
        layers = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        return layers + ([nn.MaxPool2d(2)] if pool else [])

    def model():
        torch.manual_seed(1)
        if name == "conv4":
            blocks = block(1, 64) + block(64, 64) + block(64, 64) + block(64, 128, pool=False)
            return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(128 * 9, 128), nn.Linear(128, 10)), (n, 1, 28, 28)
        if name == "resnet18":
            return nn.Sequential(residual_network(nn), nn.Linear(512, 128), nn.Linear(128, 10)), (n, 3, 32, 32)
        hidden = [nn.Linear(784, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(inplace=True)]
        return nn.Sequential(*hidden, nn.Linear(512, 128), nn.Linear(128, 10)), (n, 784)

    def way(layout):
        net, shape = model()
        x = torch.from_numpy(rows(n, int(np.prod(shape[1:])), 1)).view(shape)
        if layout and x.dim() == 4:
            net, x = net.to(memory_format=layout), x.contiguous(memory_format=layout)
        labels = torch.arange(n) % 10
        adam = torch.optim.Adam(net.parameters())

        def step():
            with torch.enable_grad():
                loss = nn.functional.cross_entropy(net(x), labels)
                adam.zero_grad(set_to_none=True)
                loss.backward()
            adam.step()

        return step

    ways = {"torch": way(None)}
    if name != "mlp":
        ways["torch, channels last"] = way(torch.channels_last)
    return ways


# Requests.


def ways_of(case):
    kind, _, name = case["op"].partition(":")
    n, dim, queries, params = case["n"], case["dim"], case.get("queries", 0), case.get("params", {})
    if case.get("laws"):
        x = rows(n, dim, 1) + OFFSET
        return pairwise(name, x, x, params)
    if kind == "pairwise":
        return pairwise(name, rows(queries or n, dim, 1), rows(n, dim, 2), params)
    if kind in ("knn", "index"):
        return neighbours(name, rows(n, dim, 2), rows(queries, dim, 1) if queries else None, case["k"])
    if kind == "kmeans":
        return k_means(rows(n, dim, 1), case["k"], int(params.get("iterations", 10)))
    if kind == "train_step":
        return train_step(name, n)
    if kind == "loss" and torch:
        import losses

        return losses.ways(case)
    if kind == "miner" and torch:
        import miners

        return miners.ways(case)
    if kind == "kmeans++":
        return k_means_start(rows(n, dim, 1), case["k"])
    return {}


def timed(way):
    cpu, wall = time.process_time(), time.perf_counter()
    result = way()
    del result
    wall_ms, cpu_ms = (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3
    return {"wall_ms": wall_ms, "cpu_ms": cpu_ms}


def reference(name, x, params):
    """The definition in float64, in forms that do not cancel."""
    from scipy.spatial.distance import cdist

    x = x.astype(np.float64)
    if name == "cosine":
        return cdist(unit(x), unit(x), "sqeuclidean") / 2
    if name == "mahalanobis":
        factor = np.linalg.cholesky(precision_of(x.shape[1]))
        return np.stack([np.linalg.norm((row - x) @ factor, axis=1) for row in x])
    named = {"squared_euclidean": "sqeuclidean", "manhattan": "cityblock"}
    options = {"p": float(params.get("p", 3))} if name == "minkowski" else {}
    return cdist(x, x, named.get(name, name), **options)


def laws(case, way):
    name = case["op"].partition(":")[2]
    # NaN counts as the worst there is.
    found = np.nan_to_num(np.asarray(way(), dtype=np.float64), nan=np.inf)
    want = reference(name, rows(case["n"], case["dim"], 1) + OFFSET, case.get("params", {}))
    between = ~np.eye(len(found), dtype=bool)
    return {
        "self_distance": float(np.abs(np.diag(found)).max()),
        "asymmetry": float(np.abs(found - found.T).max()),
        "worst_relative_error": float((np.abs(found - want)[between] / want[between]).max()),
    }


def main():
    # Nothing else may write where answers go.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    held, ways, warm = None, {}, set()
    for line in sys.stdin:
        request = json.loads(line)
        case = {key: value for key, value in request.items() if key not in ("list", "only")}
        if case != held:
            held, ways, warm = None, {}, set()
            gc.collect()
            held, ways = case, ways_of(case)
        if request.get("list"):
            answer = list(ways)
        else:
            answer = {}
            for name in [request["only"]] if "only" in request else list(ways):
                try:
                    if request.get("laws"):
                        answer[name] = laws(case, ways[name])
                        continue
                    if name not in warm:
                        first = timed(ways[name])
                        warm.add(name)
                        if first["wall_ms"] > 10_000:
                            answer[name] = first
                            continue
                    answer[name] = timed(ways[name])
                except Exception as error:  # whatever a system throws, the others go on
                    answer[name] = {"error": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
