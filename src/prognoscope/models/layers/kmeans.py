"""K-means of each bag by itself, without gradient, and centres put into a fixed order.

Lloyd: Least squares quantization in PCM. IEEE Trans Inf Theory 1982. The start from reference points, the rule to stop
and the order are those of Zhou et al. (CCL), IEEE TMI 2024.
"""

import hashlib
import warnings
from collections import OrderedDict
from functools import cache
from itertools import accumulate, permutations
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from prognoscope.core.bags import Bags
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.transport import exact_matching

MOST_ROUNDS = 100
SETTLED = 1e-4  # of the squared sum of how far the centres moved
ROUNDING = 1e-6
ROUNDS_BETWEEN_LOOKS = 8  # on a device that must be waited for
BAGS_AT_ONCE = 16  # there
ROWS_AT_ONCE = 1024  # of a product on a CPU: a third less time than all rows at once
LARGEST_BRUTE_FORCE = 6  # centres whose 720 orders are tried at once
Empty = Literal["farthest", "zero"]


class Clusters(NamedTuple):
    """The k centres of P bags."""

    centres: Float[Tensor, "P k D"]
    cluster: Int[Tensor, " T"]  # 0 to k - 1, of each patch in its own bag
    rounds: Int[Tensor, " P"]


@torch.no_grad()
def kmeans(
    bags: Bags, start: Float[Tensor, "P k D"], *, empty: Empty = "farthest", most_rounds: int = MOST_ROUNDS
) -> Clusters:
    """Lloyd's iteration from given centres, in float32; ties go to the lower index. No bag may be empty.

    A round assigns patches and moves centres to their means; a bag has settled when its centres move little in sum.
    On a CPU each bag runs alone, and only patches that change their cluster touch the sums. Elsewhere several bags run
    as one product with all their centres, and the host looks seldom.

    Args:
        empty: What a centre without patches becomes: the patch that is farthest from its centre, or the zero vector.
    """
    parts = _parts(bags.replace(at_least_float32(bags.values)))
    starts = at_least_float32(start).split([len(part) for part in parts])
    found = [_lloyd(*one, empty, most_rounds) for one in zip(parts, starts, strict=True)]
    return Clusters(*map(torch.cat, zip(*found, strict=True)))


@torch.no_grad()
def nearest_patches(bags: Bags, points: Float[Tensor, "k D"]) -> Int[Tensor, "P k"]:
    """The row, among all T, of each patient's patch that is nearest to each point; the first of equals."""
    parts = _parts(bags)
    found = [_lowest(part, squared_distances(part, points.expand(len(part), -1, -1))) for part in parts]
    firsts = accumulate([len(part.values) for part in parts[:-1]], initial=0)
    return torch.cat([first + rows for first, rows in zip(firsts, found, strict=True)])


@torch.no_grad()
def squared_distances(bags: Bags, centres: Float[Tensor, "P k D"]) -> Float[Tensor, "k T"]:
    """From each patch to the centres of its own bag, at least 0."""
    values, middle = at_least_float32(bags.values), centres.mean(dim=1, keepdim=True)
    squares = torch.linalg.vector_norm(values, dim=1).square()
    to_middle = squares - 2 * _own(bags, _products(middle, values))[0] + middle.square().sum(-1)[:, 0][bags.owner]
    return (to_middle - 2 * _closeness(bags.replace(values), centres)).clamp(min=0)


@torch.no_grad()
def spread_start(bag: Float[Tensor, "N D"], k: int, seed: int = 0) -> Float[Tensor, "k D"]:
    """k patches, each drawn by its squared distance from those before it; the same for the same bag and seed.

    Source: Arthur, Vassilvitskii: k-means++, the advantages of careful seeding. SODA 2007.
    """
    draws = torch.rand(k, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(bag.device)
    one = Bags(bag, torch.tensor([len(bag)]))
    chance = torch.ones(len(bag), dtype=torch.float64, device=bag.device)
    chosen = []
    for draw in draws:
        cumulated = chance.cumsum(0)
        row = torch.searchsorted(cumulated, draw * cumulated[-1], right=True).clamp(max=len(bag) - 1)
        chosen.append(bag[row])
        distance = squared_distances(one, chosen[-1][None, None])[0].double()
        chance = distance if len(chosen) == 1 else torch.minimum(chance, distance)
    return torch.stack(chosen)


class RememberedClusters:
    """The centres of bags that were clustered before, from a start that depends on the bag alone.

    A bag is known by its projection on a fixed direction: one reading of the bag, and one short wait for the device.
    It is no part of a model's state, since it can be computed again.
    """

    def __init__(self, k: int, empty: Empty, most: int = 4096):
        self.k, self.most = k, most
        self.empty: Empty = empty
        self.known: OrderedDict[str, Tensor] = OrderedDict()

    @torch.no_grad()
    def __call__(self, bags: Bags) -> tuple[Float[Tensor, "P k D"], Int[Tensor, " T"]]:
        """The centres of each bag, in an order that means nothing, and the nearest one of each patch."""
        found = [self._of(one) for one in bags.each()]
        distances = (squared_distances(one, centres[None]) for one, centres in zip(bags.each(), found, strict=True))
        return torch.stack(found), torch.cat([each.min(dim=0).indices for each in distances])

    def _of(self, bag: Bags) -> Float[Tensor, "k D"]:
        values = at_least_float32(bag.values)
        direction = torch.randn(1, 1, values.shape[1], generator=torch.Generator().manual_seed(0)).to(values)
        projection = _products(direction, values).cpu().numpy()
        key = hashlib.sha256(projection.tobytes()).hexdigest() + f"{values.device}{values.dtype}"
        if key not in self.known:
            start = spread_start(values, self.k)[None]
            self.known[key] = kmeans(bag.replace(values), start, empty=self.empty).centres[0]
        self.known.move_to_end(key)
        if len(self.known) > self.most:
            self.known.popitem(last=False)
        return self.known[key]


@torch.no_grad()
def slots_of(
    centres: Float[Tensor, "P k D"], anchor: Float[Tensor, "k D"], by: Literal["l1", "cosine"] = "l1"
) -> Int[Tensor, "P k"]:
    """The row of the anchor that each centre is matched with.

    Up to six centres all orders are tried on the device; more are solved on the CPU.

    Args:
        by: The least sum of "l1" distances, or the largest sum of "cosine" similarities.
    """
    k, centres, anchor = len(anchor), at_least_float32(centres), at_least_float32(anchor)
    if by == "l1":
        cost = torch.cdist(centres, anchor.expand_as(centres), p=1)
    else:
        cost = -F.normalize(centres, dim=2) @ F.normalize(anchor, dim=1).T
    if k > LARGEST_BRUTE_FORCE:
        return exact_matching(cost)
    orders = _orders(k, cost.device)
    total = cost[:, torch.arange(k, device=cost.device), orders].sum(dim=2)  # (P, k!)
    return orders[total.argmin(dim=1)]


def in_slots(values: Shaped[Tensor, "P k *rest"], slots: Int[Tensor, "P k"]) -> Shaped[Tensor, "P k *rest"]:
    """Each centre's value at the slot that it is matched with."""
    index = slots.argsort(dim=1).view(*slots.shape, *[1] * (values.ndim - 2)).expand_as(values)
    return values.gather(1, index)


@cache
def _orders(k: int, device: torch.device) -> Int[Tensor, "F k"]:
    return torch.tensor(list(permutations(range(k))), device=device)


def _lloyd(bags: Bags, centres: Float[Tensor, "P k D"], empty: Empty, most_rounds: int) -> Clusters:
    values, (n_bags, k, _) = bags.values, centres.shape
    is_packed = n_bags > 1 or values.device.type != "cpu"
    going = torch.ones(n_bags, dtype=torch.bool, device=values.device)
    rounds = torch.zeros(n_bags, dtype=torch.int64, device=values.device)
    sums, cluster = None, torch.empty(0, dtype=torch.int64, device=values.device)
    for i in range(1, most_rounds + 1):
        new = _closeness(bags, centres, favour=ROUNDING).max(dim=0).indices
        sums = _sums(bags, new, k) if is_packed or sums is None else _moved(sums, values, cluster, new)
        means, is_empty = _means(sums, n_bags)
        if is_packed or is_empty.any():
            means = torch.where(is_empty, _substitute(bags, centres, new, empty), means)
        shift = torch.linalg.vector_norm(means - centres, dim=2).sum(dim=1)
        centres = means.where(going[:, None, None], centres)
        cluster = new if i == 1 else new.where(going[bags.owner], cluster)
        rounds += going
        going = going & (shift.square() >= SETTLED)
        if (not is_packed or i % ROUNDS_BETWEEN_LOOKS == 0) and not going.any():
            break
    else:
        if going.any():
            warnings.warn(
                f"K-means of a bag did not settle in {most_rounds} rounds; it is used as it is.", stacklevel=2
            )
    if not is_packed:  # differences leave more rounding behind than sums
        means, is_empty = _means(_sums(bags, cluster, k), n_bags)
        centres = centres.where(is_empty, means)
    return Clusters(centres, cluster, rounds)


def _parts(bags: Bags) -> list[Bags]:
    """The bags that run at once: one on a CPU, whose cache it suits; several where starting work costs time."""
    size = 1 if bags.values.device.type == "cpu" else BAGS_AT_ONCE
    lengths = bags.lengths.split(size)
    values = bags.values.split([int(each.sum()) for each in lengths])
    return [Bags(*part) for part in zip(values, lengths, strict=True)]


def _closeness(bags: Bags, centres: Float[Tensor, "P k D"], favour: float = 0.0) -> Float[Tensor, "k T"]:
    """x c - c c / 2 with the middle of the centres as the origin: largest where the distance is least.

    The origin takes away what all centres share, and with it the rounding, without a copy of the patches.

    Args:
        favour: How much each centre is preferred to the next, relative to the centres' lengths, so that rounding does
            not choose between equal ones.
    """
    middle = centres.mean(dim=1, keepdim=True)
    offset = centres - middle
    shift = (middle * offset).sum(-1) + offset.square().sum(-1) / 2
    if favour:
        scale = torch.linalg.vector_norm(centres, dim=2).amax(dim=1) * torch.linalg.vector_norm(offset, dim=2).amax(
            dim=1
        )
        shift = shift + favour * scale[:, None] * torch.arange(centres.shape[1], device=centres.device)
    return _own(bags, _products(offset, bags.values) - shift[:, :, None])


def _products(points: Float[Tensor, "P k D"], values: Float[Tensor, "T D"]) -> Float[Tensor, "P k T"]:
    """Every point times every patch, on a CPU in blocks of patches that stay in its cache."""
    size = ROWS_AT_ONCE if values.device.type == "cpu" else max(len(values), 1)
    with torch.autocast(values.device.type, enabled=False):
        return torch.cat([points @ block.T for block in values.split(size)], dim=-1)


def _own(bags: Bags, scores: Float[Tensor, "P k T"]) -> Float[Tensor, "k T"]:
    """Of each patch, the scores of its own bag."""
    if len(bags) == 1:
        return scores[0]
    return scores.gather(0, bags.owner.expand(1, scores.shape[1], -1))[0]


def _lowest(bags: Bags, scores: Float[Tensor, "k T"]) -> Int[Tensor, "P k"]:
    """The row of each bag's lowest score; the first of equals."""
    return scores.min(dim=1).indices[None] if len(bags) == 1 else bags.argmax(-scores.T)


def _sums(bags: Bags, cluster: Int[Tensor, " T"], k: int) -> tuple[Float[Tensor, "Pk D"], Float[Tensor, " Pk"]]:
    """Sum and number of the patches of each cluster; a product where adding one by one has no fixed order."""
    values, n = bags.values, len(bags) * k
    if values.device.type == "cpu" and len(bags) == 1:
        return values.new_zeros(n, values.shape[1]).index_add_(0, cluster, values), _counts(cluster, n, values)
    members = values.new_zeros(n, len(values)).scatter_(0, (cluster + k * bags.owner)[None], 1.0)
    with torch.autocast(values.device.type, enabled=False):
        return members @ values, members.sum(dim=1)


def _moved(sums, values: Float[Tensor, "N D"], old: Int[Tensor, " N"], new: Int[Tensor, " N"]):
    """Sums and numbers after some patches of one bag changed their cluster."""
    totals, counts = sums
    rows = (old != new).nonzero()[:, 0]
    changed = values[rows]
    totals.index_add_(0, new[rows], changed).index_add_(0, old[rows], changed, alpha=-1)
    return totals, _counts(new, len(counts), values)


def _counts(cluster: Int[Tensor, " N"], n: int, like: Tensor) -> Float[Tensor, " n"]:
    return torch.bincount(cluster, minlength=n).to(like.dtype)


def _means(sums, n_bags: int) -> tuple[Float[Tensor, "P k D"], Bool[Tensor, "P k 1"]]:
    """The mean of each cluster, and which have no patch."""
    totals, counts = (each.unflatten(0, (n_bags, -1)) for each in sums)
    return totals / counts.clamp(min=1)[..., None], (counts == 0)[..., None]


def _substitute(bags: Bags, centres: Float[Tensor, "P k D"], cluster: Int[Tensor, " T"], empty: Empty) -> Tensor:
    """What a centre without patches becomes. All of a bag's become one patch; of equal centres the first keeps its
    patches, so the others move on in the next round."""
    if empty == "zero":
        return torch.zeros_like(centres)
    distance = squared_distances(bags, centres).gather(0, cluster[None])
    rounding = 1e-5 * torch.linalg.vector_norm(bags.values, dim=1).square()  # so that a patch at its centre is a tie
    farthest = _lowest(bags, -distance.where(distance > rounding, 0.0))
    return bags.values[farthest]
