"""``Space``: what people hand over becomes unit vectors, in order, or a clear error."""

import importlib.util
import io
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image as pillow

import interlingua as il
from interlingua.content import BytesContent, FileContent
from interlingua.errors import CheckpointError, ConfigError, DataError, InterlinguaError, MediaError
from interlingua.models.shared_space import SharedSpace
from interlingua.sample import Audio, Image, Label, Text
from interlingua.space import Space, weights_id
from interlingua.train.feature_cache import FeatureCache, FeatureTable
from interlingua.train.recipe import Recipe, to_yaml
from interlingua.train.run_folder import RunFolder

RATE = 16_000


@pytest.fixture(scope="module")
def tiny():
    """The module tiny_space."""
    path = Path(__file__).with_name("tiny_space.py")
    spec = importlib.util.spec_from_file_location("tiny_space", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_space"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Real files: three pictures of one colour each, three sounds of one pitch each."""
    folder = tmp_path_factory.mktemp("media")
    for name, colour in (("red", (255, 0, 0)), ("green", (0, 255, 0)), ("blue", (0, 0, 255))):
        pillow.new("RGB", (24, 16), colour).save(folder / f"{name}.png")
    for name, pitch, seconds in (("low", 200, 0.5), ("middle", 900, 1.5), ("high", 3000, 2.5)):
        time = np.arange(int(RATE * seconds)) / RATE
        soundfile.write(folder / f"{name}.wav", 0.5 * np.sin(2 * np.pi * pitch * time), RATE)
    (folder / "broken.png").write_bytes((folder / "red.png").read_bytes()[:40])
    (folder / "page.png").write_text("<!doctype html><p>not found</p>")
    (folder / "empty.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def config(tiny, tmp_path_factory):
    tokenizer = tiny.write_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    return tiny.TinySpace.Config(name="tiny_space:TinySpace", tokenizer=tokenizer)


@pytest.fixture(scope="module")
def space(tiny, config):
    return Space(tiny.TinySpace(config), device="cpu")


def test_vectors_are_unit_float32_in_the_order_given(space):
    texts = ["a red dog", "blue", "a a a a a a green dog", "dog", "a blue dog", "red"] * 20
    vectors = space.embed(texts=texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (120, space.dimension)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(120), abs=1e-6)
    for place in (0, 1, 2, 77, 119):
        assert vectors[place] == pytest.approx(space.embed(texts=[texts[place]])[0], abs=1e-6)


def test_one_thing_is_a_list_of_one(space, media):
    assert space.embed(texts="red").shape == (1, 16)
    assert space.embed(images=str(media / "red.png")).shape == (1, 16)
    assert space.embed("red") == pytest.approx(space.embed(texts=["red"]))
    assert space.embed(texts=[]).shape == (0, 16)


def test_a_picture_is_the_same_in_every_form(space, media):
    path = media / "green.png"
    with pillow.open(path) as opened:
        picture = opened.convert("RGB")
    forms = [
        path,
        str(path),
        path.read_bytes(),
        FileContent(path),
        BytesContent(path.read_bytes()),
        Image(FileContent(path)),
        picture,
        np.asarray(picture),
    ]
    vectors = space.embed(images=forms)
    assert (vectors == vectors[0]).all()
    assert abs(vectors[0] - space.embed(images=[media / "red.png"])[0]).max() > 0.1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "F"])
def test_pictures_of_every_mode_are_taken(space, mode):
    assert np.isfinite(space.embed(images=[pillow.new(mode, (5, 4))])).all()


def test_a_picture_in_memory_keeps_the_orientation_of_its_camera(tiny, config):
    class Columns(tiny.TinySpace):  # sees left from right
        def embed_media(self, view, media):
            return media.values.float().mean(1).mean(1)[:, : self.dimension]

    halves = pillow.new("RGB", (40, 40), "black")
    halves.paste("white", (0, 0, 40, 20))
    exif = pillow.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    buffer = io.BytesIO()
    halves.save(buffer, "JPEG", exif=exif)
    space = Space(Columns(config), device="cpu")
    from_bytes, from_picture = space.embed(images=[buffer.getvalue(), pillow.open(buffer)])
    assert from_picture == pytest.approx(from_bytes, abs=3)
    assert from_bytes[0] < 50 < 200 < from_bytes[-1]


def test_a_sound_is_the_same_in_every_form(space, media):
    path = media / "middle.wav"
    wave, rate = soundfile.read(path, dtype="int16")
    forms = [path, str(path), path.read_bytes(), FileContent(path), (wave, rate)]
    vectors = space.embed(sounds=[*forms, (wave / np.float32(32768), rate)])
    assert np.ptp(vectors, axis=0) == pytest.approx(np.zeros(16), abs=1e-6)
    one = space.embed(sounds=(wave, rate))
    assert one == pytest.approx(vectors[:1], abs=1e-6)


def test_sound_and_speech_are_different_views(space, media):
    path = media / "low.wav"
    sound, speech = space.embed(sounds=path), space.embed(speech=path)
    assert abs(sound - speech).max() > 0.1
    assert space.embed([Audio(FileContent(path), use="speech")]) == pytest.approx(speech)
    assert space.embed([path]) == pytest.approx(sound)


def test_sounds_of_different_lengths_keep_their_order(space, media):
    names = ["high", "low", "middle", "low", "high"]
    together = space.embed(sounds=[media / f"{name}.wav" for name in names])
    for name, vector in zip(names, together, strict=True):
        assert vector == pytest.approx(space.embed(sounds=media / f"{name}.wav")[0], abs=1e-5)


def test_a_model_that_only_hears_speech_takes_sound_files_as_speech(tiny, config, media):
    listener = tiny.TinySpace(config.model_copy(update={"views": ("text", "speech")}))
    space = Space(listener, device="cpu")
    assert space.embed([media / "low.wav"]) == pytest.approx(space.embed(speech=media / "low.wav"))


def test_any_mixture_is_embedded_in_its_order(space, media):
    items = [
        "a dog",
        media / "red.png",
        Label("blue"),
        media / "low.wav",
        pillow.new("RGB", (9, 9), "blue"),
        Text("red"),
    ]
    together = space.embed(items)
    alone = np.concatenate([space.embed([item]) for item in items])
    assert together == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken.png", "damaged"),
        ("page.png", "not_an_image"),
        ("empty.png", "empty"),
        ("none.png", "missing"),
    ],
)
def test_a_bad_picture_is_named(space, media, name, reason):
    with pytest.raises(MediaError) as error:
        space.embed(images=[media / "red.png", media / name])
    assert error.value.reason == reason
    assert name in error.value.where


@pytest.mark.parametrize("name", ["none.png", "page.png", "empty.png"])
def test_a_file_that_is_no_media_is_named(space, media, name):
    with pytest.raises(MediaError) as error:
        space.embed([media / name])
    assert name in error.value.where


def test_bad_parts_are_told_and_the_others_embedded(space, media):
    files = ["red.png", "broken.png", "none.png", "green.png"]
    parts = [Text("a dog"), *(Image(FileContent(media / name)) for name in files), Text("  ")]
    told = []
    vectors = space.embed_parts(
        parts, lambda place, part, error: told.append((place, error.reason))
    )
    assert sorted(told) == [(2, "damaged"), (3, "missing"), (5, "empty")]
    assert np.isnan(vectors[[2, 3, 5]]).all()
    expected = space.embed(["a dog", media / "red.png", media / "green.png"])
    assert vectors[[0, 1, 4]] == pytest.approx(expected, abs=1e-6)


def test_equal_texts_are_embedded_once_and_bad_ones_told_each_time(tiny, config):
    seen = []

    class Counting(tiny.TinySpace):
        def embed_media(self, view, media):
            seen.append(len(media))
            return super().embed_media(view, media)

    space = Space(Counting(config), device="cpu")
    parts = [Text("red"), Label("red"), Text(" "), Text("blue"), Text("red", "en"), Text(" ")]
    told = []
    vectors = space.embed_parts(parts, lambda place, part, error: told.append((place, part)))
    assert sum(seen) == 2
    assert told == [(2, parts[2]), (5, parts[5])]
    assert (vectors[[0, 1, 4]] == vectors[0]).all()
    assert vectors[3] == pytest.approx(space.embed(texts="blue")[0])


def test_cached_features_are_used_and_what_they_lack_is_read(space, media):
    class Unread:
        name, suffix = "unread.png", ".png"

        def size(self):
            raise AssertionError("the cache has this one")

        read = size

    asked = []

    def features(view, parts):
        """Knows one picture and no text."""
        asked.append((view, len(parts)))
        rows = torch.tensor(
            [0 if isinstance(part, Image) and part.content is unread else -1 for part in parts]
        )
        return FeatureTable(torch.tensor([[0.6, -0.4, -0.4]]), torch.zeros(1), rows, 0)

    unread = Unread()
    parts = [Text("red"), Image(FileContent(media / "broken.png")), Image(unread)]
    told = []
    vectors = space.embed_parts(parts, lambda *error: told.append(error[:2]), features)
    assert asked == [("text", 1), ("image", 2)]
    assert told == [(1, parts[1])]
    expected = space.embed([Text("red"), pillow.new("RGB", (8, 8), "red")])
    assert vectors[[0, 2]] == pytest.approx(expected, abs=1e-3)
    with pytest.raises(MediaError):
        space.embed_parts(parts, features=features)


def test_a_kind_that_the_model_lacks_is_named(tiny, config, media):
    space = Space(tiny.TinySpace(config.model_copy(update={"views": ("image", "text")})))
    with pytest.raises(DataError, match="no tower for sound") as error:
        space.embed(sounds=[media / "low.wav"])
    assert "image, text" in error.value.next_step
    with pytest.raises(DataError, match="no tower for speech"):
        space.query(text="a dog", speech=media / "low.wav")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, ValueError),
        ({"texts": ["a"], "images": []}, ValueError),
        ({"texts": [3]}, DataError),
        ({"images": [3.5]}, DataError),
        ({"images": [np.zeros((4, 4, 3))]}, DataError),
        ({"images": [np.zeros((4, 4, 7), np.uint8)]}, DataError),
        ({"sounds": [object()]}, DataError),
        ({"sounds": [(np.zeros((2, 100)), RATE)]}, DataError),
        ({"sounds": [(np.zeros(100), 0)]}, DataError),
        ({"sounds": [(np.zeros(0), RATE)]}, MediaError),
        ({"sounds": [(np.full(8000, np.nan), RATE)]}, MediaError),
    ],
)
def test_things_of_the_wrong_type_are_refused(space, arguments, error):
    with pytest.raises(error):
        space.embed(**arguments)


def test_a_mixed_query_is_the_direction_between_its_parts(space, media):
    dog, red = space.embed(texts="a dog")[0], space.embed(images=media / "red.png")[0]
    both = space.query(text="a dog", image=media / "red.png")
    assert both == pytest.approx((dog + red) / np.linalg.norm(dog + red), abs=1e-6)
    heavier = space.query(text="a dog", image=media / "red.png", weights={"text": 3})
    assert heavier @ dog > both @ dog
    without = space.query(text="a dog", image=media / "red.png", weights={"image": -0.5})
    assert without @ red < dog @ red
    several = space.query(text=["a dog", "blue"], image=media / "red.png")
    blue = space.embed(texts="blue")[0]
    total = (dog + blue) / 2 + red
    assert several == pytest.approx(total / np.linalg.norm(total), abs=1e-6)


def test_queries_without_a_direction_are_refused(space):
    with pytest.raises(ValueError, match="at least one"):
        space.query()
    with pytest.raises(ValueError, match="weights of those only"):
        space.query(text="a dog", weights={"image": 1})
    with pytest.raises(DataError, match="cancel"):
        space.query(text="a dog", weights={"text": 0})


def test_the_id_changes_with_every_weight_and_setting_and_with_nothing_else(tiny, config):
    model = tiny.TinySpace(config)
    first = weights_id(model)
    assert weights_id(tiny.TinySpace(config)) == first
    assert Space(model, device="cpu", precision="bf16").id == first
    assert weights_id(tiny.TinySpace(config.model_copy(update={"size": 24}))) != first
    with torch.no_grad():
        model.text[2, 3] = torch.nextafter(model.text[2, 3], torch.tensor(9.0))
    assert weights_id(model) != first


@pytest.fixture
def run(tiny, config, tmp_path):
    """A run folder as training leaves it, with a checkpoint at steps 5 and 10."""
    recipe = Recipe(
        name="test",
        model=config,
        data={"sources": [{"source": {"name": "stamps"}}]},
        objectives={"match": {"objective": {"name": "pairwise_contrastive"}}},
        stages=[{"steps": 10}],
    )
    folder = RunFolder(tmp_path / "run")
    folder.write_text("recipe.yaml", to_yaml(recipe))
    for step in (5, 10):
        model = tiny.TinySpace(config)
        with torch.no_grad():
            model.text *= step
            model.text[0] = 1.0
        folder.checkpoints.save(step, {"model": model.state_dict()}, {})
    return folder.path


def test_a_run_is_loaded_with_its_newest_weights(tiny, config, run):
    space = il.load(str(run))
    model = tiny.TinySpace(config)
    model.load_state_dict(RunFolder(run).checkpoints.load(10).tensors["model"])
    assert space.id == weights_id(model)
    assert space.run == run
    assert space.kinds == ("image", "text", "sound", "speech")
    assert (space.embed(texts=["a dog"]) == Space(model).embed(texts=["a dog"])).all()
    earlier = il.load(run / "steps" / "step-00000005")
    assert earlier.id != space.id
    assert earlier.run == run


def test_a_run_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no such run") as error:
        il.load(tmp_path / "nothing")
    assert "nothing" in error.value.where


def test_a_damaged_run_is_refused(run):
    for step in (5, 10):
        file = run / "steps" / f"step-{step:08d}" / "model.safetensors"
        data = bytearray(file.read_bytes())
        data[-10] ^= 1
        file.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        il.load(run)


def test_a_recipe_that_does_not_fit_the_weights_is_named(run):
    recipe = run / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("dimension: 16", "dimension: 8"))
    with pytest.raises(CheckpointError, match="doesn't fit"):
        il.load(run)
    recipe.unlink()
    with pytest.raises(ConfigError, match="recipe"):
        il.load(run)


@pytest.fixture(scope="module")
def real(real_weights, tmp_path_factory):
    """The shared space with its real towers and random heads."""
    folders = {name: Path(real_weights(name)) for name in ("minilm", "efficientnet-lite0")}
    towers = {
        "text": {"tower": {"name": "bert"}, "weights": "minilm"},
        "image": {"tower": {"name": "efficientnet"}, "weights": "efficientnet-lite0"},
    }
    config = SharedSpace.Config(towers=towers, views={"text": "text", "image": "image"}, width=64)
    torch.manual_seed(0)
    return folders, SharedSpace(config)


def test_the_shared_space_embeds_and_caches_to_the_same_vectors(real, media, tmp_path):
    _, model = real
    space = Space(model, device="cpu", precision="fp32")
    parts = [Text("a red dog"), Image(FileContent(media / "red.png")), Text("a dog")]
    parts += [Image(FileContent(media / "broken.png")), Text("a red dog")]
    cache = FeatureCache(tmp_path)

    def features(view, chosen):
        name = model.config.views[view]
        tower = model.frozen_towers.load(name)
        return cache.features(tower, name, chosen, model.preprocess(view))

    told = []
    direct = space.embed_parts(parts, lambda place, *_: told.append(place))
    cached = space.embed_parts(parts, lambda place, *_: told.append(place), features)
    assert told == [3, 3]
    assert cached == pytest.approx(direct, abs=1e-4, nan_ok=True)
    good = [0, 1, 2, 4]
    assert np.linalg.norm(direct[good], axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert (direct[0] == direct[4]).all()


def test_the_id_covers_frozen_towers_that_are_files(real, tmp_path):
    folders, model = real
    first = weights_id(model)
    assert weights_id(model) == first
    copy = shutil.copytree(folders["minilm"], tmp_path / "minilm")
    uses = {**model.config.towers}
    uses["text"] = uses["text"].model_copy(update={"weights": str(copy)})
    own = SharedSpace(model.config.model_copy(update={"towers": uses}))
    own.load_state_dict(model.state_dict())
    before = weights_id(own)
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "model.safetensors").write_bytes(data)
    assert len({first, before, weights_id(own)}) == 3


def test_the_package_offers_its_names_lazily():
    assert il.Index.__module__ == "interlingua.index.table"
    assert il.evaluate.retrieval is not None
    assert set(il.__all__) <= set(dir(il))
    assert all(getattr(il, name) is not None for name in il.__all__)
    assert issubclass(il.InterlinguaError, InterlinguaError)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        il.nothing  # noqa: B018
