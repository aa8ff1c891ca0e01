"""In which type each number type is summed."""

import torch

from cotrain.errors import SettingError

_SUM_DTYPES = {
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    torch.float32: torch.float32,
    torch.float64: torch.float64,
}


def sum_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type that sums over `dtype` are kept in: float32 for the half types, else `dtype` itself.

    Raises
    ------
    SettingError : `dtype` is none of float16, bfloat16, float32, float64
    """
    try:
        return _SUM_DTYPES[dtype]
    except KeyError:
        raise SettingError("dtype", dtype, "float16, bfloat16, float32 or float64") from None


def widest(device: torch.device) -> torch.dtype:
    """Wide enough that weights near the ends of float's range have a sum and a mean. Apple's GPU has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64
