"""How far two sets of music overlap in a feature."""

import numpy as np


def histogram_overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The area common to two histograms `[bins]` that sum to 1: sum over bins of min(one, other), 0 to 1.

    Says whether two sets of music use the same values equally often. Histogram intersection, Swain and Ballard,
    "Color indexing", International Journal of Computer Vision 7 (1991).
    """
    return float(np.minimum(one, other).sum())


def overlapped_area(reference: np.ndarray, others: np.ndarray) -> float | None:
    """The overlapped area of Yang and Lerch between a reference set of music and another set, 0 to 1.

    `reference` (shape (r, bins)) and `others` (shape (o, bins)) hold a feature vector an excerpt. With the Euclidean
    distances d(x, y) of feature vectors, let p be the density of the distances within the reference, over all pairs of
    its excerpts, and q the density of the distances between an excerpt of the reference and one of the others. Then

        overlapped area = integral over d of min(p(d), q(d))

    It is 1 if the others differ from the reference as its own excerpts differ from one another, and falls both when
    they are foreign to it and when they vary less than it does. Densities are Gaussian kernel estimates with Scott's
    bandwidth, std * n ** -1/5, as in the authors' program, which integrates between the smallest and the largest
    distance only; here it is the whole line, so that equal densities give 1.

    None if a set is too small: the reference must have two excerpts, the others one.

    Li-Chia Yang and Alexander Lerch, "On the evaluation of generative models in music", Neural Computing and
    Applications 32 (2020), doi 10.1007/s00521-018-3849-7; program: github.com/RichardYang40148/mgeval.
    """
    if len(reference) < 2 or not len(others):
        return None
    within = _distances(reference, reference)[np.triu_indices(len(reference), 1)]
    between = _distances(reference, others).ravel()
    return _density_overlap(within, between)


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.sqrt(((one[:, None] - other[None]) ** 2).sum(axis=2))


def _density_overlap(one: np.ndarray, other: np.ndarray) -> float:
    widths = [_bandwidth(points) for points in (one, other)]
    if min(widths) < 1e-9:  # all distances of a set are the same: a point, which has an overlap with itself alone
        return float(max(widths) < 1e-9 and abs(one[0] - other[0]) < 1e-9)
    both = np.concatenate([one, other])
    margin = 4 * max(widths)
    edges = np.linspace(both.min() - margin, both.max() + margin, 4097)
    shares = [
        _smooth(np.histogram(points, edges)[0], width, edges)
        for points, width in zip((one, other), widths, strict=True)
    ]
    return float(np.minimum(*shares).sum())


def _bandwidth(points: np.ndarray) -> float:
    return float(points.std(ddof=1)) * len(points) ** -0.2 if len(points) > 1 else 0.0


def _smooth(counts: np.ndarray, width: float, edges: np.ndarray) -> np.ndarray:
    # The kernel estimate's mass in each bin. The bins are so narrow that where in its bin a point lies does not matter.
    reach = min(int(4 * width / (edges[1] - edges[0])), len(counts) // 2 - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * (edges[1] - edges[0]) / width) ** 2)
    mass = np.convolve(counts, kernel, mode="same")
    return mass / mass.sum()
