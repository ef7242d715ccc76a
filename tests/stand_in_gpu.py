"""A GPU for machines that have none: tensors that say they are on "cuda", compute on the CPU, and refuse CPU tensors.

    with StandInGpu():
        bert = bertutil.load(device="cuda")

It finds what a real one finds first: a tensor that was made on the wrong device, and .numpy() without .cpu(). It says
nothing about speed or about other rounding.
"""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

FROM_ANYWHERE = ("copy_", "__setitem__", "__getitem__")  # as on a real one


class OnGpu(torch.Tensor):
    """A tensor on the stand-in."""

    __torch_function__ = torch._C._disabled_torch_function_impl


class StandInGpu(TorchFunctionMode):
    """While it is entered, torch has a device "cuda"."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called by torch in place of each function of its Python interface."""
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        on_gpu = [isinstance(x, OnGpu) for x in tensors]
        if func == torch.Tensor.device.__get__:
            return torch.device("cuda:0") if on_gpu[0] else func(*args)
        if func is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor)
        if func in (torch.Tensor.numpy, torch.Tensor.__array__) and on_gpu[0]:
            raise TypeError("can't convert cuda:0 device type tensor to numpy; use Tensor.cpu() first")
        if name == "_has_compatible_shallow_copy_type":
            return False  # a module that moves gets new parameters
        if func is torch.Tensor.to:
            return self._move(*args, **kwargs)
        if func is torch.Tensor.__deepcopy__ and on_gpu[0]:
            return self._deep_copy(*args)

        target = torch.device(kwargs["device"]).type if kwargs.get("device") else None
        if target == "cuda":
            kwargs["device"] = "cpu"
        mixed = any(on_gpu) and any(x.ndim and not here for x, here in zip(tensors, on_gpu, strict=True))
        if mixed and not target and name not in FROM_ANYWHERE:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device")
        result = func(*args, **kwargs)
        if target == "cuda" or (not target and any(on_gpu)):
            return tree_map_only(torch.Tensor, lambda x: x if isinstance(x, OnGpu) else x.as_subclass(OnGpu), result)
        return result

    @staticmethod
    def _move(x: torch.Tensor, *where: Any, **more: Any) -> torch.Tensor:
        if where and isinstance(where[0], torch.Tensor):
            kind, dtype = type(where[0]), where[0].dtype
        else:
            device, dtype, *_ = torch._C._nn._parse_to(*where, **more)
            kind = type(x) if device is None else OnGpu if device.type == "cuda" else torch.Tensor
        return x.as_subclass(torch.Tensor).to(dtype=dtype or x.dtype).as_subclass(kind)

    @staticmethod
    def _deep_copy(x: torch.Tensor, memo: dict[int, Any]) -> torch.Tensor:
        copied: Any = x.detach().clone().as_subclass(OnGpu).requires_grad_(x.requires_grad)
        copied._is_param = isinstance(x, torch.nn.Parameter)
        return memo.setdefault(id(x), copied)
