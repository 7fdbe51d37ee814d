"""Writes clustering.json: python3 clustering.py > clustering.json (numpy and scikit-learn; versions are in the file)."""
import json, numpy as np, sklearn
from sklearn import metrics as m

rng = np.random.default_rng(7)
zipf = lambda n, k: rng.choice(k, n, p=(w := 1 / np.arange(1, k + 1)) / w.sum())
a = rng.integers(0, 6, 300)
noisy = np.where(rng.random(300) < 0.15, rng.integers(0, 6, 300), (a + 2) % 6)
b = zipf(800, 40)
pairs = {
    "independent": (rng.integers(0, 5, 200), rng.integers(0, 8, 200)),
    "noisy copy": (a, noisy),
    "skewed sizes": (b, np.where(rng.random(800) < 0.4, zipf(800, 30), b % 30)),
    "refinement": (np.arange(90) // 9, np.arange(90) // 3),
    "large names": (rng.integers(0, 3, 50) * 2_000_000_000, rng.integers(4_294_967_290, 4_294_967_295, 50)),
    "many small clusters": (rng.integers(0, 60, 100), rng.integers(0, 60, 100)),
    "one cluster each": (np.zeros(20, int), np.ones(20, int)),
    "one cluster and some": (np.zeros(20, int), np.arange(20) % 3),
    "singletons each": (np.arange(20), np.arange(20)[::-1]),
    "singletons and some": (np.arange(20), np.arange(20) % 3),
    "singletons and one": (np.arange(20), np.zeros(20, int)),
    "a single row": (np.array([4]), np.array([9])),
    "two rows": (np.array([0, 1]), np.array([0, 0])),
}
averages = ["arithmetic", "geometric", "min", "max"]
agreement = []
for name, (u, v) in pairs.items():
    h, c, f = m.homogeneity_completeness_v_measure(u, v)
    agreement.append({
        "name": name, "left": u.tolist(), "right": v.tolist(),
        "nmi": [float(m.normalized_mutual_info_score(u, v, average_method=x)) for x in averages],
        "ami": [float(m.adjusted_mutual_info_score(u, v, average_method=x)) for x in averages],
        "ari": float(m.adjusted_rand_score(u, v)), "homogeneity": h, "completeness": c, "v_measure": f,
    })

x = np.round(rng.normal(size=(45, 4)) * 64) / 64
labels = rng.integers(0, 4, 45)
x += np.stack([labels, labels % 2, 0 * labels, -labels], axis=1)
labels[17] = 9
silhouettes = [
    {"distance": d, "rows": x.tolist(), "labels": labels.tolist(),
     "silhouettes": m.silhouette_samples(x, labels, metric=d).tolist(), "mean": float(m.silhouette_score(x, labels, metric=d))}
    for d in ["euclidean", "manhattan"]
]
made_by = f"python3 clustering.py > clustering.json; numpy {np.__version__}, scikit-learn {sklearn.__version__}"
print(json.dumps({"made_by": made_by, "agreement": agreement, "silhouette": silhouettes}))
