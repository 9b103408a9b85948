"""Layouts: how the names and shapes of a public checkpoint map to ours, both ways.

A layout is a table of rules. ``{i}`` or ``{part}`` in a name stands for one step of it
(between dots or slashes) and must be the same on both sides:

    Rule("blocks.{i}.attention.out.{p}", "encoder.layer.{i}.attention.output.dense.{p}")

Reading is strict: every tensor of ours must be filled, every tensor of theirs must be used
or be ignored on purpose, with a reason; anything else is an error that lists the names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from interlingua.errors import LayoutError

MAX_NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Rule:
    """One tensor of ours, and the one or several of theirs that hold its values.

    Attributes:
        ours: name in our module.
        theirs: name in the file; several are joined along ``axis``, and cut again on writing.
        axis: of the join.
        transpose: whether theirs is the transpose of ours (matrices only).
    """

    ours: str
    theirs: str | tuple[str, ...]
    axis: int = 0
    transpose: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """``theirs`` as a tuple."""
        return (self.theirs,) if isinstance(self.theirs, str) else self.theirs

    def to_ours(self, tensors: list[Tensor]) -> Tensor:
        """Join and turn."""
        joined = tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim=self.axis)
        return joined.t() if self.transpose else joined

    def to_theirs(self, tensor: Tensor) -> list[Tensor]:
        """Turn and cut; equal parts."""
        tensor = tensor.t() if self.transpose else tensor
        if len(self.sources) == 1:
            return [tensor.contiguous()]
        parts = tensor.chunk(len(self.sources), dim=self.axis)
        return [part.contiguous() for part in parts]


@dataclass(slots=True)
class LayoutReport:
    """What happened to every name.

    Attributes:
        loaded: ours that were filled.
        missing: ours that the file has no values for.
        unexpected: theirs that no rule takes.
        ignored: theirs that were left out on purpose, with the reason.
        misshapen: ours with the shape in the file and the shape that was wanted.
    """

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    misshapen: list[str] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """True where nothing is missing, unexpected or misshapen."""
        return not (self.missing or self.unexpected or self.misshapen)

    def problems(self) -> str:
        """The wrong names, the first few of each kind."""
        kinds = (self.missing, self.unexpected, self.misshapen)
        labels = ("missing", "unexpected", "misshapen")
        lines = []
        for label, names in zip(labels, kinds, strict=True):
            if names:
                more = ", ..." if len(names) > MAX_NAMES_SHOWN else ""
                lines.append(f"{label} ({len(names)}): {', '.join(names[:MAX_NAMES_SHOWN])}{more}")
        return "; ".join(lines)


@dataclass(frozen=True, slots=True)
class Layout:
    """A public checkpoint layout.

    Attributes:
        name: as in the table of layouts.
        rules: ours to theirs.
        ignored: patterns of theirs that are left out on purpose, with the reason.
        read_tensors: a file or folder to tensors by their names.
        write_tensors: the other way.
    """

    name: str
    rules: tuple[Rule, ...]
    read_tensors: Callable[[Path], Mapping[str, Tensor]]
    write_tensors: Callable[[Mapping[str, Tensor], Path], None]
    ignored: Mapping[str, str] = field(default_factory=dict)

    def read(self, path: Path, module: nn.Module) -> LayoutReport:
        """Fill a module, which may still be on the meta device, from a file.

        Nothing is changed unless everything fits. Values take the module's dtype.

        Raises:
            LayoutError: the file can't be read, or names or shapes don't fit; lists them.
        """
        theirs = self.read_tensors(path)
        state, report = self._match(theirs, module)
        if not report.fits:
            raise LayoutError(
                f"The weights don't fit {type(module).__name__}: {report.problems()}.",
                where=str(path),
                next_step="Check that the tower's settings are those of these weights.",
            )
        module.load_state_dict(state, assign=True)
        return report

    def write(self, module: nn.Module, path: Path) -> None:
        """Write a module in this layout; what is ignored on reading is not written.

        Raises:
            LayoutError: the module has a tensor that no rule covers.
        """
        state = module.state_dict()
        tensors: dict[str, Tensor] = {}
        covered = set()
        for ours, rule, sources in self._pairs(state):
            covered.add(ours)
            tensors.update(zip(sources, rule.to_theirs(state[ours]), strict=True))
        if set(state) - covered:
            raise LayoutError(
                f"The layout {self.name} has no rule for {sorted(set(state) - covered)}.",
                where=str(path),
            )
        self.write_tensors(tensors, path)

    def _match(
        self, theirs: Mapping[str, Tensor], module: nn.Module
    ) -> tuple[dict[str, Tensor], LayoutReport]:
        wanted = module.state_dict()
        report = LayoutReport()
        state: dict[str, Tensor] = {}
        used = set()
        for ours, rule, sources in self._pairs(wanted):
            present = [name for name in sources if name in theirs]
            used.update(present)
            if len(present) < len(sources):
                report.missing.append(ours)
                continue
            target = wanted[ours]
            try:
                tensor = rule.to_ours([theirs[name] for name in sources])
            except RuntimeError:
                parts = [tuple(theirs[name].shape) for name in sources]
                report.misshapen.append(f"{ours} (parts that don't join: {parts})")
                continue
            if tensor.shape != target.shape:
                shapes = f"{tuple(tensor.shape)} in the file, {tuple(target.shape)} wanted"
                report.misshapen.append(f"{ours} ({shapes})")
                continue
            state[ours] = tensor.to(target.dtype).contiguous()
            report.loaded.append(ours)
        covered = {*report.loaded, *report.missing, *(n.split(" ")[0] for n in report.misshapen)}
        report.missing.extend(name for name in wanted if name not in covered)
        for name in theirs:
            if name not in used:
                self._sort_out(name, report)
        return state, report

    def _sort_out(self, name: str, report: LayoutReport) -> None:
        for pattern, reason in self.ignored.items():
            if _compile(pattern).fullmatch(name):
                report.ignored[name] = reason
                return
        report.unexpected.append(name)

    def _pairs(self, ours: Mapping[str, Tensor]) -> Iterator[tuple[str, Rule, tuple[str, ...]]]:
        patterns = [(rule, _compile(rule.ours)) for rule in self.rules]
        for name in ours:
            for rule, pattern in patterns:
                match = pattern.fullmatch(name)
                if match:
                    steps = match.groupdict()
                    yield name, rule, tuple(item.format(**steps) for item in rule.sources)
                    break


def _compile(pattern: str) -> re.Pattern[str]:
    """``{i}`` stands for one step of a name, ``*`` for any rest."""
    escaped = re.escape(pattern).replace(r"\*", ".*")
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^./]+)", escaped))
