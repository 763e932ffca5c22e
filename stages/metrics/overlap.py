"""How much two sets of music overlap in one feature."""

import numpy as np

_DENSITY_BINS = 4096
_KERNEL_WIDTHS = 4  # bandwidths from its centre after which a kernel counts as zero


def histogram_overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return the area that two normalized histograms have in common: the sum over bins of min(first, second).

    It tells whether two sets of music use the same values equally often. (Histogram intersection: Swain and Ballard,
    "Color indexing", International Journal of Computer Vision 7, 1991.)

    Args:
        first: a histogram that sums to 1, shape (bins,).
        second: another one, of the same bins.

    Returns:
        0 to 1.
    """
    return float(np.minimum(first, second).sum())


def overlapped_area(reference: np.ndarray, others: np.ndarray) -> float | None:
    """Return the overlapped area of Yang and Lerch between a reference set of music and another set.

    With the Euclidean distances d(x, y) of feature vectors, let p be the density of the distances within the reference,
    over all pairs of its excerpts, and q the density of the distances between an excerpt of the reference and one of
    the others. Then

        overlapped area = integral over d of min(p(d), q(d))

    It is 1 if the others differ from the reference as its own excerpts differ from one another. It falls if the others
    are unlike the reference, and also if they vary less than it does. Densities are Gaussian kernel estimates with
    Scott's bandwidth, std * n ** -1/5, as in the authors' program. That program integrates between the smallest and the
    largest distance; here the integral is over the whole line, so that equal densities give 1.

    Li-Chia Yang and Alexander Lerch, "On the evaluation of generative models in music", Neural Computing and
    Applications 32 (2020), doi 10.1007/s00521-018-3849-7; program: github.com/RichardYang40148/mgeval.

    Args:
        reference: a feature vector for each excerpt of the reference, shape (reference excerpts, bins).
        others: the same for the other set, shape (other excerpts, bins).

    Returns:
        0 to 1, or None if the reference has fewer than two excerpts or the other set has none.
    """
    if len(reference) < 2 or not len(others):
        return None
    within = _distances(reference, reference)[np.triu_indices(len(reference), 1)]
    between = _distances(reference, others).ravel()
    return _density_overlap(within, between)


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.sqrt(((first[:, None] - second[None]) ** 2).sum(axis=2))


def _density_overlap(first: np.ndarray, second: np.ndarray) -> float:
    bandwidths = [_scott_bandwidth(points) for points in (first, second)]
    if min(bandwidths) < 1e-9:  # all points of a set are equal: it overlaps only with a set of the same single value
        return float(max(bandwidths) < 1e-9 and abs(first[0] - second[0]) < 1e-9)
    points = np.concatenate([first, second])
    margin = _KERNEL_WIDTHS * max(bandwidths)
    edges = np.linspace(points.min() - margin, points.max() + margin, _DENSITY_BINS + 1)
    masses = [
        _smooth(np.histogram(points, edges)[0], bandwidth, edges)
        for points, bandwidth in zip((first, second), bandwidths, strict=True)
    ]
    return float(np.minimum(*masses).sum())


def _scott_bandwidth(points: np.ndarray) -> float:
    return float(points.std(ddof=1)) * len(points) ** -0.2 if len(points) > 1 else 0.0


def _smooth(counts: np.ndarray, bandwidth: float, edges: np.ndarray) -> np.ndarray:
    # The kernel estimate's probability mass in each bin. Bins are so narrow that a point's place within its bin does
    # not matter.
    bin_width = edges[1] - edges[0]
    radius = min(int(_KERNEL_WIDTHS * bandwidth / bin_width), len(counts) // 2 - 1)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) * bin_width / bandwidth) ** 2)
    mass = np.convolve(counts, kernel, mode="same")
    return mass / mass.sum()
