"""AdamW for a stage, and its state as named tensors.

Source: Loshchilov & Hutter 2019, arXiv:1711.05101 (decoupled weight decay).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from interlingua.errors import CheckpointError
from interlingua.train import sharding
from interlingua.train.stages import Stage, multipliers

MULTIPLIER = "multiplier"  # of the learning rate; a key of each parameter group


def prepare(model: nn.Module, stage: Stage) -> torch.optim.AdamW:
    """Freeze what the stage doesn't train and build its optimizer.

    Modules all of whose parameters are frozen are put into evaluation mode by
    ``training_mode``. Biases, gains and other parameters of fewer than two dimensions
    are not decayed.

    Raises:
        ConfigError: a pattern matches nothing.
    """
    rates = multipliers(stage, (name for name, _ in model.named_parameters()))
    groups: dict[tuple[float, bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in rates)
        parameter.grad = None
        if name in rates:
            # One update can't take tensors that are cut over processes and others together.
            kind = (rates[name], parameter.ndim >= 2, sharding.is_sharded(parameter))
            groups.setdefault(kind, []).append(parameter)
    fused = all(
        parameter.device.type in ("cpu", "cuda", "mps")
        for members in groups.values()
        for parameter in members
    )
    return torch.optim.AdamW(
        [
            {
                "params": members,
                "weight_decay": stage.weight_decay if decays else 0.0,
                MULTIPLIER: rate,
            }
            for (rate, decays, _), members in groups.items()
        ],
        lr=stage.learning_rate,
        betas=stage.betas,
        eps=stage.epsilon,
        fused=fused,
    )


def training_mode(model: nn.Module) -> None:
    """Training mode, except for modules that are frozen as a whole (their dropout stays off)."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the rate times its own multiplier."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[MULTIPLIER]


def state_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The optimizer's state as ``parameter name:key`` -> tensor."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{names[parameter]}:{key}": torch.as_tensor(value)
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def restore_state(
    optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """Put back what ``state_tensors`` gave.

    Raises:
        CheckpointError: the state belongs to other parameters.
    """
    parameters = dict(model.named_parameters())
    trained = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    for full_name, tensor in tensors.items():
        name, _, key = full_name.rpartition(":")
        if name not in trained:
            raise CheckpointError(
                f"The optimizer's state has {name!r}, which this stage doesn't train.",
                next_step="Resume with the run's own recipe.yaml.",
            )
        parameter = trained[name]
        if key != "step":
            optimizer.state[parameter][key] = sharding.like(tensor, parameter)
            continue
        # AdamW keeps its step counter on the CPU unless it is fused or capturable.
        device = parameter.device if _is_fused(optimizer) else "cpu"
        optimizer.state[parameter][key] = tensor.clone().to(device)


def _is_fused(optimizer: torch.optim.Optimizer) -> bool:
    return any(bool(group.get("fused")) for group in optimizer.param_groups)
