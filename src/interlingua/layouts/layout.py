"""Layouts: how the names and shapes of a public checkpoint map to ours, both ways.

A layout is a table of rules (``rule.py``). Reading is strict: every tensor of ours must be filled,
every tensor of theirs must be used or be ignored on purpose, with a reason; anything else is an
error that lists the names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from interlingua.errors import LayoutError
from interlingua.layouts.rule import Rule, compile_name

MAX_NAMES_SHOWN = 8


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

    def read(self, path: Path, module: nn.Module, part: str = "") -> LayoutReport:
        """Fill a module, which may still be on the meta device, from a file.

        Nothing is changed unless everything fits. Values take the module's dtype; where they have
        it already they are not copied but stay mapped to the file.

        Args:
            path: of the file or folder.
            module: to be filled.
            part: where the module stands in the model that the file holds (``towers.image``); what
                the file has for other parts is left out. Empty: the module is all of it.

        Raises:
            LayoutError: the file can't be read, or names or shapes don't fit; lists them.
        """
        theirs = self.read_tensors(path)
        prefix = f"{part}." if part else ""
        state, report = self._match(theirs, module, prefix)
        if not report.fits:
            raise LayoutError(
                f"The weights don't fit {type(module).__name__}: {report.problems()}.",
                where=str(path),
                next_step="Check that the settings are those of these weights.",
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
        self, theirs: Mapping[str, Tensor], module: nn.Module, prefix: str
    ) -> tuple[dict[str, Tensor], LayoutReport]:
        wanted = {prefix + name: tensor for name, tensor in module.state_dict().items()}
        report = LayoutReport()
        state: dict[str, Tensor] = {}
        used: set[str] = set()
        seen = set()
        for ours, rule, sources in self._pairs(wanted):
            seen.add(ours)
            present = [name for name in sources if name in theirs]
            used.update(present)
            if len(present) < len(sources):
                report.missing.append(ours)
                continue
            target = wanted[ours]
            try:
                tensor = rule.to_ours([theirs[name] for name in sources])
            except (RuntimeError, IndexError):
                parts = [tuple(theirs[name].shape) for name in sources]
                report.misshapen.append(f"{ours} (parts that don't join: {parts})")
                continue
            if tensor.shape != target.shape:
                shapes = f"{tuple(tensor.shape)} in the file, {tuple(target.shape)} wanted"
                report.misshapen.append(f"{ours} ({shapes})")
                continue
            state[ours.removeprefix(prefix)] = tensor.to(target.dtype).contiguous()
            report.loaded.append(ours)
        report.missing.extend(name for name in wanted if name not in seen)
        for name in theirs:
            if name not in used:
                self._sort_out(name, prefix, report)
        return state, report

    def _sort_out(self, name: str, prefix: str, report: LayoutReport) -> None:
        for pattern, reason in self.ignored.items():
            if compile_name(pattern).fullmatch(name):
                report.ignored[name] = reason
                return
        if prefix and self._is_elsewhere(name, prefix):
            report.ignored[name] = f"not in {prefix.removesuffix('.')}"
        else:
            report.unexpected.append(name)

    def _is_elsewhere(self, name: str, prefix: str) -> bool:
        """Whether a rule takes this tensor of theirs for another part of our model."""
        for rule in self.rules:
            for source in rule.sources:
                match = compile_name(source).fullmatch(name)
                if match:
                    return not rule.ours.format(**match.groupdict()).startswith(prefix)
        return False

    def _pairs(self, ours: Mapping[str, Tensor]) -> Iterator[tuple[str, Rule, tuple[str, ...]]]:
        patterns = [(rule, compile_name(rule.ours)) for rule in self.rules]
        for name in ours:
            for rule, pattern in patterns:
                match = pattern.fullmatch(name)
                if match:
                    steps = match.groupdict()
                    yield name, rule, tuple(item.format(**steps) for item in rule.sources)
                    break
