"""Views of a grid world as tokens: what was seen in the last steps, put together on one map.

Notable features:
- an agent knows how it has turned and stepped, so the cells of earlier views are laid to where
  they are now, seen from where it stands; the newest view of a cell counts. Nothing of this is
  learned;
- one token for each object that is known (the nearest first), one for the ground: which cells are
  free, wall or unseen, which way the agent looks, what it did last;
- an object's token is what it is plus where it is plus their product, number by number: in a mean
  of tokens a sum alone no longer tells which object stands where, the product does;
- few tokens, whatever the length of the history.

Shape legend: M moments, H frames (the present first), V cells along a side of a view, S cells
along a side of the map, K tokens of objects, D width.

Sources: a map around the agent from its own motion, Gupta et al. 2017 (Cognitive Mapping and
Planning, arXiv 1702.03920), section 4.1; cells as (what, colour, state) with an embedding each,
Chevalier-Boisvert et al. 2019 (BabyAI, arXiv 1810.08272), section 3.1, and Hui et al. 2020
(BabyAI 1.1, arXiv 2007.12770), section 3 (embeddings in place of numbers); what and where bound by
a product, Plate 1995 (Holographic reduced representations, IEEE TNN 6(3)), section II.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn

from interlingua.nn.frozen_linear import freeze_linears
from interlingua.nn.transformer import FeedForward, init_transformer_weights
from interlingua.tokens import Tokens
from interlingua.towers.tower import Tower, ValuesPreprocess

# as grid worlds of minigrid number them
_UNSEEN, _EMPTY, _WALL, _FLOOR, _DOOR = 0, 1, 2, 3, 4
_LEFT, _RIGHT, _FORWARD = 1, 2, 3  # actions, 0 = none yet
_OPEN = 0  # a door's state


@dataclass(slots=True)
class _Map:
    """What is known around the agent, which stands at the middle and looks along the second axis.

    Attributes:
        kind, colour, state: [M, S · S] of each cell; kind 0 = never seen.
    """

    kind: Tensor
    colour: Tensor
    state: Tensor


class GridView(Tower):
    """See the module's text; ``Tokens.pooled`` is the mean of the tokens, [M, D].

    A moment is H frames of ``3 V² + 2`` whole numbers: what, colour and state of the V × V cells
    (from left to right, from far to near, the agent in the middle of the nearest row), which way
    it looks (0 to 3), and 1 + what it did then (left, right, forward ...; 0 in the present frame).
    """

    preprocess: ValuesPreprocess

    class Config(Tower.Config):
        """Settings; the defaults are minigrid's numbers.

        Attributes:
            history: H, the most frames of a moment.
            view_size: V.
            reach: how far from the agent the map goes, in cells; what is further is forgotten.
            objects: K; of more the nearest are taken.
            kinds, colours, states, actions: how many there are.
            last_action: whether the ground's token tells what was done last.
            width: D.
            num_layers: feed-forward blocks, each token by itself.
            hidden_width: of each.
        """

        name: str = "grid_view"
        history: PositiveInt = 8
        view_size: PositiveInt = 7
        reach: PositiveInt = 6
        objects: PositiveInt = 8
        kinds: PositiveInt = 11
        colours: PositiveInt = 6
        states: PositiveInt = 4
        actions: PositiveInt = 7
        last_action: bool = True
        width: PositiveInt = 64
        num_layers: PositiveInt = 1
        hidden_width: PositiveInt = 128

        @model_validator(mode="after")
        def _agent_in_the_middle(self) -> GridView.Config:
            if self.view_size % 2 == 0 or self.view_size < 3:
                raise ValueError(f"a view of {self.view_size} cells has no cell in its middle")
            if self.objects > (2 * self.reach + 1) ** 2:
                raise ValueError(f"{self.objects} objects have no room on the map")
            return self

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.width = self.pooled_width = width = config.width
        self.preprocess = ValuesPreprocess(shape=(config.history, 3 * config.view_size**2 + 2))
        side = 2 * config.reach + 1
        self.kind = nn.Embedding(config.kinds, width)
        self.colour = nn.Embedding(config.colours, width)
        self.state = nn.Embedding(config.states, width)
        self.thing = nn.Embedding(config.kinds * config.colours, width)
        self.place = nn.Embedding(side * side, width)
        self.column = nn.Embedding(side, width)
        self.row = nn.Embedding(side, width)
        self.ground = nn.Linear(3 * side * side, width)
        self.direction = nn.Embedding(4, width)
        self.last = nn.Embedding(config.actions + 1, width) if config.last_action else None
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.num_layers))
        self.blocks = nn.ModuleList(
            FeedForward(width, config.hidden_width) for _ in range(config.num_layers)
        )

    def init_weights(self) -> None:
        """Random weights: embeddings of one size, so that none drowns another at first."""
        init_transformer_weights(self)
        for part in self.children():
            if isinstance(part, nn.Embedding):
                nn.init.normal_(part.weight, std=0.5)
        nn.init.normal_(self.ground.weight, std=0.05)

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        """Encode moments.

        Args:
            values: [M, h, 3 V² + 2] whole numbers in any type, h up to H frames, the present
                first; NaN is 0, a frame that begins with one is not there. Numbers that are too
                large count as the largest.
            mask: [M, h] True = a frame that is there. A moment without its first frame has no
                token that is real.
            layers: numbers of blocks whose states are wanted too, 0 = before the first.

        Returns:
            ``states`` [M, 1 + K, D], zeros where there is no object, ``mask`` [M, 1 + K],
            ``pooled`` float32 [M, D].

        Raises:
            ValueError: too many frames, frames of another size, a layer that there is not.
        """
        self.check_layers(layers)
        most, numbers = self.preprocess.shape
        if values.shape[1] > most or values.shape[2] != numbers:
            raise ValueError(
                f"frames [{values.shape[1]}, {values.shape[2]}], not up to [{most}, {numbers}]"
            )
        there = torch.ones_like(values[..., 0], dtype=torch.bool) if mask is None else mask.bool()
        if values.is_floating_point():
            there = there & ~values[..., 0].isnan()
            values = values.nan_to_num(0.0)
        frames = values.long().clamp(min=0) * there[..., None]  # [M, h, 3 V² + 2]
        known = self._map(frames, there)
        objects, is_object = self._objects(known)
        ground = self._ground(known, frames)
        states = torch.cat([ground[:, None], objects], dim=1)  # [M, 1 + K, D]
        real = torch.cat([there[:, :1], is_object & there[:, :1]], dim=1)
        kept = {0: states} if 0 in layers else {}
        for number, (norm, block) in enumerate(zip(self.norms, self.blocks, strict=True), start=1):
            states = states + block(norm(states))
            if number in layers:
                kept[number] = states
        states = states.masked_fill(~real[..., None], 0.0)
        pooled = states.float().sum(1) / real.sum(1, keepdim=True).clamp(min=1)
        return Tokens(states=states, mask=real, pooled=pooled, layers=kept or None)

    def _map(self, frames: Tensor, there: Tensor) -> _Map:
        """All frames on one map; of a cell that was seen twice the newer view counts."""
        size, reach = self.config.view_size, self.config.reach
        moments, count = frames.shape[:2]
        cells = frames[..., :-2].unflatten(2, (size * size, 3))  # [M, h, V², 3]
        right, ahead = self._places(cells, frames[..., -1])  # each [M, h, V²]
        side = 2 * reach + 1
        near = (right.abs() <= reach) & (ahead.abs() <= reach)
        index = torch.where(near, (right + reach) * side + ahead + reach, side * side)
        # the larger number is the newer view: frame 0 has the largest
        age = torch.arange(count, 0, -1, device=frames.device)[:, None] * size * size
        number = age + torch.arange(size * size, device=frames.device)  # [h, V²]
        seen = (cells[..., 0] != _UNSEEN) & there[..., None]
        newest = torch.zeros(moments, side * side + 1, dtype=torch.int64, device=frames.device)
        newest.scatter_reduce_(1, index.flatten(1), torch.where(seen, number, 0).flatten(1), "amax")
        newest = newest[:, :-1]  # [M, S²]
        source = (count - newest // (size * size)) * size * size + newest % (size * size)
        is_known = newest > 0
        source = torch.where(is_known, source, 0)
        flat = cells.flatten(1, 2)  # [M, h · V², 3]
        found = flat.gather(1, source[..., None].expand(-1, -1, 3)) * is_known[..., None]
        return _Map(*found.unbind(-1))

    def _places(self, cells: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Where the cells of each frame lie now: [M, h, V²] to the right and ahead of the agent."""
        size = self.config.view_size
        before = cells[:, :, (size // 2) * size + size - 2]  # [M, h, 3] the cell it looks at
        free = (before[..., 0] <= _EMPTY) | (before[..., 0] == _FLOOR)
        free = free | ((before[..., 0] == _DOOR) & (before[..., 2] == _OPEN))
        stepped = ((actions == _FORWARD) & free).long()
        # one left turn lays (right, ahead) to (ahead, -right); a right turn is three of them
        turns = (actions == _LEFT).long() + 3 * (actions == _RIGHT).long()
        turned = turns.cumsum(1) % 4  # [M, h], since that frame
        cos, sin = (1 - turned) * (turned % 2 == 0), (2 - turned) * (turned % 2 == 1)
        moved_right, moved_ahead = (-sin * stepped).cumsum(1), (-cos * stepped).cumsum(1)
        column = torch.arange(size, device=cells.device)
        right = (column - size // 2).repeat_interleave(size)  # [V²]
        ahead = (size - 1 - column).repeat(size)
        cos, sin = cos[..., None], sin[..., None]
        return (
            cos * right + sin * ahead + moved_right[..., None],
            cos * ahead - sin * right + moved_ahead[..., None],
        )

    def _objects(self, known: _Map) -> tuple[Tensor, Tensor]:
        """[M, K, D] the nearest objects, and [M, K] which of the places hold one."""
        config = self.config
        side = 2 * config.reach + 1
        cell = torch.arange(side * side, device=known.kind.device)
        column, row = cell // side, cell % side
        distance = (column - config.reach).abs() + (row - config.reach).abs()
        nearness = (4 * config.reach + 1 - distance) * side * side + cell  # all different
        is_object = known.kind >= _DOOR
        best, places = (is_object * nearness).topk(config.objects, dim=1)  # [M, K]
        kinds = known.kind.gather(1, places).clamp(max=config.kinds - 1)
        colours = known.colour.gather(1, places).clamp(max=config.colours - 1)
        conditions = known.state.gather(1, places).clamp(max=config.states - 1)
        what = self.kind(kinds) + self.colour(colours) + self.state(conditions)
        what = what + self.thing(kinds * config.colours + colours)
        where = self.place(places) + self.column(column[places]) + self.row(row[places])
        return what + where + what * where, best > 0

    def _ground(self, known: _Map, frames: Tensor) -> Tensor:
        """[M, D] of all cells together, the direction and the last action."""
        kind = known.kind
        planes = ((kind == _EMPTY) | (kind == _FLOOR), kind == _WALL, kind >= _DOOR)
        states: Tensor = self.ground(torch.cat(planes, dim=1).to(self.ground.weight.dtype))
        states = states + self.direction(frames[:, 0, -2].clamp(max=3))
        if self.last is not None:
            past = frames[:, 1, -1] if frames.shape[1] > 1 else torch.zeros_like(frames[:, 0, -1])
            states = states + self.last(past.clamp(max=self.config.actions))
        return states

    def for_inference(self, precision: torch.dtype) -> GridView:
        """A copy for frozen use: the products in this precision, the rest in fp32."""
        return freeze_linears(copy.deepcopy(self).eval(), precision).requires_grad_(False)
