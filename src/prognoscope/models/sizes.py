"""The lengths that the data decide."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The lengths that the data decide, by the names under which constructors ask for them."""

    n_bins: int = 4  # K
    embedding_dim: int = 0  # D; 0 without slides
    group_sizes: tuple[int, ...] = ()  # genes in each gene group; () without omics
    gene_names: tuple[tuple[str, ...], ...] = ()  # columns of each gene group, for methods that tell them apart
    n_clinical: int = 0  # clinical covariates after encoding
    n_subtypes: int = 0  # classes; 0 without labels


# what sizes of methods are told for: six gene groups of 3300 genes together
EXAMPLE = Sizes(n_bins=4, embedding_dim=1024, group_sizes=(80, 320, 500, 450, 1500, 450), n_clinical=2, n_subtypes=2)
