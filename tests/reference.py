"""The equations, written slowly and plainly: what every fast version in `iics` is compared with.

Nothing here is clever, blocked, vectorised over crops or shared with the package. Tests take it through the
`reference` fixture.
"""

from __future__ import annotations

import math

import numpy as np


def score_overlap(scores):
    """Eq. 9: J_mn = sum_k min(s_mk, s_nk) / sum_k max(s_mk, s_nk)."""
    scores = np.asarray(scores, dtype=np.float64)
    overlap = np.zeros((len(scores), len(scores)))
    for m in range(len(scores)):
        for n in range(len(scores)):
            overlap[m, n] = np.minimum(scores[m], scores[n]).sum() / np.maximum(scores[m], scores[n]).sum()
    return overlap


def inter_camera_similarity(features, overlap, cameras, mu):
    """Eq. 5: f_m . f_n, plus mu * J_mn where the two crops come from different cameras."""
    similarity = np.zeros((len(features), len(features)))
    for m in range(len(features)):
        for n in range(len(features)):
            similarity[m, n] = float(np.dot(features[m], features[n]))
            if cameras[m] != cameras[n]:
                similarity[m, n] += mu * overlap[m, n]
    return similarity


def nearest_crops(similarity, crop):
    """All crops as seen from one: itself, then by similarity, larger first; among equals the smaller index."""
    others = [q for q in range(len(similarity)) if q != crop]
    return [crop, *sorted(others, key=lambda q: (-float(similarity[crop][q]), q))]


def reciprocal_weights(distance, k1, k2):
    """Zhong et al. (CVPR 2017), Eq. 7 and 11, with a crop always its own first neighbour: one row for each crop.

    R(p, k) = {q among the k nearest of p (and p) : p among the k nearest of q (and q)}.
    """
    distance = np.asarray(distance, dtype=np.float64)
    n = len(distance)
    rankings = [nearest_crops(-distance, p) for p in range(n)]

    def reciprocal(p, k):
        return {q for q in rankings[p][: k + 1] if p in rankings[q][: k + 1]}

    weights = np.zeros((n, n))
    for p in range(n):
        close = reciprocal(p, k1)
        expanded = set(close)
        for q in close:
            candidates = reciprocal(q, round(k1 / 2))
            if 3 * len(candidates & close) >= 2 * len(candidates):
                expanded |= candidates
        for q in expanded:
            weights[p, q] = math.exp(-distance[p, q])
        weights[p] /= weights[p].sum()
    return np.array([np.mean([weights[q] for q in rankings[p][:k2]], axis=0) for p in range(n)])  # local expansion


def k_reciprocal_distance(distance, k1=20, k2=6, lambda_value=0.3):
    """Zhong et al. (CVPR 2017), made symmetric: Jaccard distance of the reciprocal weights, mixed with the given."""
    distance = np.asarray(distance, dtype=np.float64)
    n = len(distance)
    weights = reciprocal_weights(distance, k1, k2)
    reranked = np.zeros((n, n))
    for p in range(n):
        for q in range(n):
            shared = np.minimum(weights[p], weights[q]).sum()
            jaccard = 1 - shared / (2 - shared)
            reranked[p, q] = (1 - lambda_value) * jaccard + lambda_value * distance[p, q]
    reranked = (reranked + reranked.T) / 2
    np.fill_diagonal(reranked, 0)
    return reranked


def field_jaccard_distance(similarity, k1, k2):
    """What programs of the field cluster by: d = 2 - 2 cos, more than two thirds covered, 1 - S / (2 - S)."""
    n = len(similarity)
    rankings = [nearest_crops(similarity, p) for p in range(n)]

    def reciprocal(p, k):
        return {q for q in rankings[p][: k + 1] if p in rankings[q][: k + 1]}

    weights = np.zeros((n, n))
    for p in range(n):
        expanded = set(reciprocal(p, k1))
        for q in reciprocal(p, k1):
            candidates = reciprocal(q, round(k1 / 2))
            if 3 * len(candidates & reciprocal(p, k1)) > 2 * len(candidates):
                expanded |= candidates
        for q in expanded:
            weights[p, q] = math.exp(2 * float(similarity[p][q]) - 2)
        weights[p] /= weights[p].sum()
    return jaccard_distance([np.mean([weights[q] for q in rankings[p][:k2]], axis=0) for p in range(n)])


def camera_jaccard_distance(similarity, cameras, k1_intra=5, k1_inter=20, k2_intra=2, k2_inter=4):
    """CA-Jaccard (CVPR 2024): two lists for each crop, mutual neighbours in both, V = softmax(-d), d = 2 - 2 cos."""
    n = len(similarity)
    rankings = [nearest_crops(similarity, i) for i in range(n)]
    own = [[j for j in rankings[i] if cameras[j] == cameras[i]] for i in range(n)]
    other = [[j for j in rankings[i] if cameras[j] != cameras[i]] for i in range(n)]
    weights = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            lists, k = (own, k1_intra + 1) if cameras[i] == cameras[j] else (other, k1_inter + 1)
            if j in lists[i][:k] and i in lists[j][:k]:
                weights[i, j] = math.exp(2 * float(similarity[i][j]) - 2)
        weights[i] /= weights[i].sum()
    return jaccard_distance(
        [np.mean([weights[j] for j in own[i][:k2_intra] + other[i][:k2_inter]], axis=0) for i in range(n)]
    )


def jaccard_distance(weights):
    """J = 1 - S / (2 - S) of rows that sum to 1, with S the sum of minima."""
    n = len(weights)
    distance = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            shared = np.minimum(weights[i], weights[j]).sum()
            distance[i, j] = 1 - shared / (2 - shared)
    np.fill_diagonal(distance, 0)
    return distance


def published_distance(distance, k1=20, k2=6, lambda_value=0.3):
    """Zhong et al. as their program has it: each row divided by its largest, more than two thirds, not symmetric."""
    n = len(distance)
    scaled = [[float(value) / max(map(float, row)) for value in row] for row in distance]
    rankings = [nearest_crops([[-value for value in row] for row in scaled], p) for p in range(n)]

    def reciprocal(p, k):
        return [q for q in rankings[p][: k + 1] if p in rankings[q][: k + 1]]

    weights = np.zeros((n, n))
    for p in range(n):
        expanded = set(reciprocal(p, k1))
        for q in reciprocal(p, k1):
            candidates = reciprocal(q, round(k1 / 2))
            if len(set(candidates) & set(reciprocal(p, k1))) > len(candidates) * 2 / 3:
                expanded |= set(candidates)
        for q in expanded:
            weights[p, q] = math.exp(-scaled[p][q])
        weights[p] /= weights[p].sum()
    weights = np.array([np.mean([weights[q] for q in rankings[p][:k2]], axis=0) for p in range(n)])
    reranked = np.zeros((n, n))
    for p in range(n):
        for q in range(n):
            shared = np.minimum(weights[p], weights[q]).sum()
            reranked[p, q] = (1 - lambda_value) * (1 - shared / (2 - shared)) + lambda_value * scaled[p][q]
    return reranked


def filled_distance(num_crops, first, second, distance, far):
    """The matrix that a distance graph stands for: its edges, and `far` for all other pairs."""
    matrix = np.full((num_crops, num_crops), float(far))
    for p, q, d in zip(first, second, distance, strict=True):
        matrix[p, q] = matrix[q, p] = min(float(d), float(far))
    np.fill_diagonal(matrix, 0)
    return matrix


def average_linkage(distance):
    """Merge the two clusters with the smallest mean distance until one is left.

    Returns:
        The heights of the merges, and the partition (a set of frozensets) for each number of clusters.
    """
    clusters = [frozenset([i]) for i in range(len(distance))]
    heights, partitions = [], {len(clusters): set(clusters)}
    while len(clusters) > 1:
        pairs = [(a, b) for a in range(len(clusters)) for b in range(a)]
        means = [np.mean([distance[i][j] for i in clusters[a] for j in clusters[b]]) for a, b in pairs]
        best = int(np.argmin(means))
        a, b = pairs[best]
        heights.append(float(means[best]))
        clusters = [c for i, c in enumerate(clusters) if i not in (a, b)] + [clusters[a] | clusters[b]]
        partitions[len(clusters)] = set(clusters)
    return heights, partitions


def constrained_average_linkage(distance, apart):
    """As `average_linkage`, but clusters with a pair between them that is apart are never merged.

    Args:
        distance: Of all pairs.
        apart: Pairs (i, j) of crops.
    """
    is_apart = {frozenset(pair) for pair in apart}
    clusters = [frozenset([i]) for i in range(len(distance))]
    heights, partitions = [], {len(clusters): set(clusters)}
    while True:
        allowed = [
            (np.mean([distance[i][j] for i in one for j in other]), one, other)
            for at, one in enumerate(clusters)
            for other in clusters[:at]
            if not any(frozenset([i, j]) in is_apart for i in one for j in other)
        ]
        if not allowed:
            return heights, partitions
        height, one, other = min(allowed, key=lambda candidate: candidate[0])
        heights.append(float(height))
        clusters = [cluster for cluster in clusters if cluster not in (one, other)] + [one | other]
        partitions[len(clusters)] = set(clusters)


def largest_departure_from_average_linkage(linkage, distance):
    """How far merges are from joining, one after the other, two clusters with the smallest mean distance at that mean.

    Unlike a comparison with another linkage it also holds where distances are equal and several merges are right.
    """
    n = len(distance)
    sums = np.array(distance, dtype=np.float64)
    sizes, clusters = np.ones(n), {i: i for i in range(n)}  # node to its row
    alive = np.ones(n, dtype=bool)
    worst = 0.0
    for merge, (a, b, height, size) in enumerate(linkage):
        i, j = clusters.pop(int(a)), clusters.pop(int(b))  # a node that was joined before is missed here
        assert size == sizes[i] + sizes[j]
        means = sums / np.outer(sizes, sizes)
        pairs = np.triu(np.outer(alive, alive), 1)
        worst = max(worst, abs(height - means[i, j]), means[i, j] - means[pairs].min())
        sums[i] += sums[j]
        sums[:, i] += sums[:, j]
        sizes[i] += sizes[j]
        alive[j] = False
        clusters[n + merge] = i
    return worst


def partition(labels):
    """The clusters that labels stand for, as `average_linkage` returns them."""
    return {frozenset(i for i in range(len(labels)) if labels[i] == c) for c in set(np.asarray(labels).tolist())}


def mean_silhouette(distance, labels):
    """Mean of (b - a) / max(a, b): a to the own cluster, b to the nearest other; 0 for a singleton (Rousseeuw 1987)."""
    values = []
    for i in range(len(labels)):
        means = {}
        for c in set(labels):
            members = [j for j in range(len(labels)) if labels[j] == c and j != i]
            means[c] = np.mean([distance[i][j] for j in members]) if members else None
        a = means.pop(labels[i])
        b = min(means.values())
        values.append(0.0 if a is None or max(a, b) == 0 else (b - a) / max(a, b))
    return float(np.mean(values))


def batch_hard_triplet(features, labels, margin):
    """Triplet term of Eq. 11 with the hardest positive and the hardest negative of the batch, Euclidean.

    The mean is over anchors that have another crop of their label and a crop of another label; 0 if there are none.
    """
    losses = []
    for i in range(len(labels)):
        positives, negatives = [], []
        for j in range(len(labels)):
            d = math.sqrt(sum((float(x) - float(y)) ** 2 for x, y in zip(features[i], features[j], strict=True)))
            if j != i and labels[j] == labels[i]:
                positives.append(d)
            elif labels[j] != labels[i]:
                negatives.append(d)
        if positives and negatives:
            losses.append(max(0.0, margin + max(positives) - min(negatives)))
    return sum(losses) / len(losses) if losses else 0.0


def instance_statistics(x):
    """Mean and unbiased variance of each sample and channel; the variance of a 1x1 map counts as 0.

    Args:
        x: Shape (n, c, h, w).
    """
    n, c, h, w = x.shape
    mean, variance = np.zeros((n, c)), np.zeros((n, c))
    for i in range(n):
        for k in range(c):
            values = [float(v) for v in x[i, k].reshape(-1)]
            mean[i, k] = sum(values) / (h * w)
            if h * w > 1:
                variance[i, k] = sum((v - mean[i, k]) ** 2 for v in values) / (h * w - 1)
    return mean, variance


def grouped_statistics(x, group_size):
    """mu_bn and var_bn = E[mean_in^2 + var_in] - mu_bn^2 of each contiguous group of `group_size` crops.

    Returns:
        Two arrays of shape (number of groups, c).
    """
    mean_in, var_in = instance_statistics(x)
    means, variances = [], []
    for start in range(0, len(x), group_size):
        crops = range(start, min(start + group_size, len(x)))
        group_mean, group_var = [], []
        for k in range(x.shape[1]):
            mu = sum(mean_in[i, k] for i in crops) / len(crops)
            second_moment = sum(mean_in[i, k] ** 2 + var_in[i, k] for i in crops) / len(crops)
            group_mean.append(mu)
            group_var.append(second_moment - mu**2)
        means.append(group_mean)
        variances.append(group_var)
    return np.array(means), np.array(variances)


def aibn(x, weight, bias, alpha, *, group_size=None, running_mean=None, running_var=None, eps=1e-5):
    """Eq. 12: normalise by a mixture of batch and instance statistics, a = alpha clamped to [0, 1].

    In training give `group_size`; in evaluation give the running statistics. On a 1x1 map the batch part alone.
    """
    n, c, h, w = x.shape
    a = 1.0 if h * w == 1 else min(max(float(alpha), 0.0), 1.0)
    mean_in, var_in = instance_statistics(x)
    if group_size is not None:
        means, variances = grouped_statistics(x, group_size)
    y = np.zeros((n, c, h, w))
    for i in range(n):
        for k in range(c):
            mu_bn = running_mean[k] if group_size is None else means[i // group_size, k]
            var_bn = running_var[k] if group_size is None else variances[i // group_size, k]
            mean = a * mu_bn + (1 - a) * mean_in[i, k]
            var = a * var_bn + (1 - a) * var_in[i, k]
            for row in range(h):
                for column in range(w):
                    y[i, k, row, column] = (x[i, k, row, column] - mean) / math.sqrt(var + eps) * weight[k] + bias[k]
    return y


def running_statistics(running_mean, running_var, x, group_size, momentum=0.1):
    """Running statistics after one training step: moved by `momentum` towards the mean over the step's groups."""
    means, variances = grouped_statistics(x, group_size)
    new_mean = [(1 - momentum) * running_mean[k] + momentum * np.mean(means[:, k]) for k in range(x.shape[1])]
    new_var = [(1 - momentum) * running_var[k] + momentum * np.mean(variances[:, k]) for k in range(x.shape[1])]
    return np.array(new_mean), np.array(new_var)
