"""Makes linear.json: python3 linear.py > linear.json, with numpy, metric-learn and a scikit-learn below 1.8 for its sake."""

import json
import warnings

import metric_learn
import numpy as np
import sklearn
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NeighborhoodComponentsAnalysis

warnings.filterwarnings("ignore")
rng = np.random.default_rng(3)
labels = np.repeat([0, 1, 2], 12)
centres = rng.normal(size=(3, 5))
mix = rng.normal(size=(5, 5))
rows = np.round((2.0 * centres[labels] + rng.normal(size=(36, 5))) @ mix + 10.0, 3)
wide = np.round(rng.normal(size=(8, 12)) * np.arange(1, 13), 3)
chunklets = np.array([i // 3 if i % 9 < 6 else -1 for i in range(36)])


def shrunk(x):
    covariance, shrinkage = ledoit_wolf(x)
    return {"covariance": covariance.tolist(), "shrinkage": shrinkage}


def nca():
    # One column only: with more, the maximum is at infinity or there are many.
    small = (rows[:, :1] - rows[:, :1].mean(0)) / 4.0
    model = NeighborhoodComponentsAnalysis(init="identity", max_iter=500, tol=1e-12)
    z = model.fit(small, labels).transform(small)
    d = ((z[:, None] - z[None]) ** 2).sum(-1)
    np.fill_diagonal(d, np.inf)
    p = np.exp(d.min(1)[:, None] - d)
    p /= p.sum(1)[:, None]
    objective = float((p * (labels[:, None] == labels)).sum())
    return {"divisor": 4.0, "objective": objective, "map": float(model.components_[0, 0])}


pca = PCA().fit(rows)
eigen = LinearDiscriminantAnalysis(solver="eigen").fit(rows, labels)
svd = LinearDiscriminantAnalysis(solver="svd").fit(rows, labels)
rca = metric_learn.RCA().fit(rows, chunklets)
json.dump(
    {
        "versions": {
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "metric-learn": metric_learn.__version__,
        },
        "rows": rows.tolist(),
        "labels": labels.tolist(),
        "wide": wide.tolist(),
        "chunklets": chunklets.tolist(),
        "covariance": np.cov(rows.T).tolist(),
        "ledoit_wolf": shrunk(rows),
        "ledoit_wolf_wide": shrunk(wide),
        "pca": pca.components_.tolist(),
        "pca_variances": pca.explained_variance_.tolist(),
        "pca_whitened": PCA(2, whiten=True).fit(rows).transform(rows).tolist(),
        "lda_eigen": eigen.scalings_[:, :2].T.tolist(),
        "lda_svd": svd.transform(rows).tolist(),
        "rca": rca.components_.tolist(),
        "nca": nca(),
    },
    __import__("sys").stdout,
)
print()
