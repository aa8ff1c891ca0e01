"""Which inputs of the multi-head loss cannot be, found before anything is computed."""

from collections.abc import Sequence

import torch
from torch import Tensor


def check_values(
    head: int,
    codes: Tensor | None,  # [n, P]
    is_unmasked: Tensor,  # [n, P], or [n, 1]
    weight: Tensor,  # [n]
    n_classes: int,
    ignored: int,
) -> None:
    """Raise on the first sample whose weight or class code cannot be; where both cannot, on the weight.

    Raises
    ------
    ValueError : a weight is negative, infinite or NaN
    IndexError : a class code that counts is below 0, or not below `n_classes`
    """
    is_wrong_weight = ~(torch.isfinite(weight) & (weight >= 0))
    is_wrong = is_wrong_weight
    if codes is not None:
        # The code of a position that does not count is not read, so it may be anything.
        is_wrong_code = ((codes < 0) | (codes >= n_classes)) & (codes != ignored) & is_unmasked
        is_wrong = is_wrong_weight | is_wrong_code.any(dim=1)
    if not is_wrong.any():
        return
    row = int(is_wrong.nonzero()[0])
    if codes is None or is_wrong_weight[row]:
        raise ValueError(f"`sample_weights[{head}]` must be finite and 0 or more; it is not in row {row}.")
    position = int(is_wrong_code[row].nonzero()[0])
    where = f", position {position}" if codes.shape[1] != 1 else ""
    raise IndexError(
        f"`targets[{head}]` must hold class codes from 0 to {n_classes - 1}, or {ignored} where there is none; "
        f"got {int(codes[row, position])} in row {row}{where}."
    )


def check_class_weights(class_weights: Sequence[Tensor | None]) -> None:
    """Raise on the first class weight ([C] per head) that is negative, infinite or NaN."""
    for head, weights in enumerate(class_weights):
        if weights is not None and not (is_right := torch.isfinite(weights) & (weights >= 0)).all():
            of_class = int((~is_right).nonzero()[0])
            raise ValueError(f"`class_weights[{head}]` must be finite and 0 or more; it is not of class {of_class}.")
