"""A device that is not there: tensors that say that they lie on it, computed by the CPU, and refused beside others.

As a plugin of pytest (-p tests.pretended) it gives each test that device, by torch's hooks for backends written in
Python; TEXTVAE_TEST_DEVICE=pretended then asks tests/test_devices.py for it. Registered once, it is for a whole process.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "pretended"
PACKING = "aten::_pack_padded_sequence"
PACKED = (PACKING, f"{PACKING}_backward", "aten::_pad_packed_sequence")  # lengths must lie on the CPU
MOVING = ("aten::_to_copy", "aten::copy_")
INDEXED = (
    "aten::index",
    "aten::index_put",
    "aten::index_put_",
    "aten::_unsafe_index",
)  # indices may lie there
JOINED = ("aten::cat", "aten::stack")  # take no single number of the CPU either, which others do
# What makes a program wait for a GPU, beside copies to the CPU: sizes or values that Python must know.
WAITING = (
    "aten::_local_scalar_dense",
    "aten::_unique2",
    "aten::allclose",
    "aten::bincount",
    "aten::equal",
    "aten::masked_select",
    "aten::nonzero",
    "aten::repeat_interleave",
    "aten::unique_consecutive",
)


class _Backend(_DummyBackendModule):
    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        torch.set_rng_state(state)


_setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())
PLACE = torch.device(NAME, 0)
waits: list[str] = []  # the operations so far that make a program wait for the device


class Elsewhere(Tensor):
    """A tensor of the pretended device; `here` holds its values."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> "Elsewhere":
        return Tensor._make_wrapper_subclass(
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=PLACE,
        )

    def __init__(self, here: Tensor) -> None:
        self.here = here

    def __repr__(self) -> str:
        return f"Elsewhere({self.here})"

    def tolist(self) -> Any:
        waits.append("tolist")
        return self.here.tolist()

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operation, args, kwargs or {})


class Placing(TorchDispatchMode):
    """Within it tensors can be made on the device, or moved to it."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operation, args, kwargs or {})


def _run(operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """By the CPU; the result lies where the operands do, or where it was asked for."""
    name = operation._schema.name
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    elsewhere = any(isinstance(tensor, Elsewhere) for tensor in tensors)
    if elsewhere:
        _refuse_strangers(name, args, tensors)
    asked = kwargs.get("device")
    there = elsewhere if asked is None else torch.device(asked).type == PLACE.type
    if name == "aten::copy_":
        there = isinstance(args[0], Elsewhere)
    if elsewhere and (name in WAITING or not there or _picks_by_mask(name, tensors)):
        waits.append(name)
    if there and kwargs.get("generator") is not None:
        raise RuntimeError(f"{name} on {PLACE} draws by a generator of the CPU")
    args, kwargs = tree_map_only(Elsewhere, lambda tensor: tensor.here, (tuple(args), dict(kwargs)))
    if asked is not None:
        kwargs["device"] = torch.device("cpu")
    made = CELLS.get(name, operation)(*args, **kwargs)
    if not there:
        return made
    if name == PACKING:
        return Elsewhere(made[0]), made[1]  # which a GPU leaves on the CPU, too
    changed = {id(tensor.here): tensor for tensor in tensors if isinstance(tensor, Elsewhere)}  # in place
    return tree_map_only(
        Tensor, lambda tensor: changed[id(tensor)] if id(tensor) in changed else Elsewhere(tensor), made
    )


def _refuse_strangers(name: str, args: Sequence[Any], tensors: Sequence[Tensor]) -> None:
    """RuntimeError where a GPU would raise one for a tensor that lies elsewhere."""
    if name in MOVING:
        return
    if name in PACKED:
        if isinstance(args[1], Elsewhere):
            raise RuntimeError(f"{name} wants its lengths on the CPU")
        return
    asked = [args[0], *args[2:3]] if name in INDEXED else tensors  # not the indices
    for tensor in asked:
        strange = isinstance(tensor, Tensor) and not isinstance(tensor, Elsewhere)
        if strange and (tensor.dim() or name in JOINED or (tensor is args[0] and name.endswith("_"))):
            raise RuntimeError(
                f"{name} has a tensor {tuple(tensor.shape)} on {tensor.device} beside one on {PLACE}"
            )


def _picks_by_mask(name: str, tensors: Sequence[Tensor]) -> bool:
    return name in INDEXED and any(tensor.dtype == torch.bool for tensor in tensors[1:])


def _cell(
    inputs: Tensor, state: Tensor, c: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """An LSTM's, which torch has for GPUs alone: h, c and the gates (N,4H)."""
    gates = inputs + state
    if b_ih is not None and b_hh is not None:
        gates = gates + b_ih + b_hh
    i, f, g, o = gates.chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    new = f * c + i * g
    return o * new.tanh(), new, torch.cat([i, f, g, o], 1)


def _cell_backward(
    d_h: Tensor | None, d_c: Tensor | None, c: Tensor, new: Tensor, gates: Tensor, biased: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    i, f, g, o = gates.chunk(4, 1)
    told = new.tanh()
    d_h = torch.zeros_like(new) if d_h is None else d_h
    d_new = d_h * o * (1 - told**2) + (torch.zeros_like(new) if d_c is None else d_c)
    parts = d_new * g * i * (1 - i), d_new * c * f * (1 - f), d_new * i * (1 - g**2), d_h * told * o * (1 - o)
    d_gates = torch.cat(parts, 1)
    return d_gates, d_new * f, d_gates.sum(0) if biased else None


CELLS = {
    "aten::_thnn_fused_lstm_cell": _cell,
    "aten::_thnn_fused_lstm_cell_backward_impl": _cell_backward,
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, Placing():
        patch.setattr(torch, "tensor", partial(_tensor, torch.tensor))
        return (yield)


def _tensor(make: Callable[..., Tensor], data: Any, *, device: Any = None, **settings: Any) -> Tensor:
    """torch's own would allocate on the device past every hook."""
    made = make(data, **settings)
    return made if device is None else made.to(device)
