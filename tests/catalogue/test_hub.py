"""``hf:owner/name`` against a stand-in of the hub's file routes on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from interlingua.catalogue import hub
from interlingua.errors import FetchError, LayoutError
from interlingua.layouts.model_layout import layout_of
from interlingua.models.pretrained import load_pretrained, save_pretrained

pytest.importorskip("huggingface_hub")
FIXTURES = Path(__file__).parents[1] / "layouts" / "fixtures"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PROPOSED = "89abcdef0123456789abcdef0123456789abcdef"

PROPOSAL: dict[str, Any] = {
    "num": 7, "title": "Adding `safetensors` variant of this model", "status": "open",
    "author": {"name": "SFconvertbot"}, "isPullRequest": True,
    "createdAt": "2023-03-01T00:00:00.000Z", "repo": {"name": "owner/old", "type": "model"},
}  # fmt: skip


@dataclass
class Hub:
    """What the stand-in has: files by repository and commit, and what was asked of it."""

    files: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    proposals: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def add(self, repository: str, folder: Path, commit: str = COMMIT) -> None:
        found = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        self.files.setdefault(repository, {})[commit] = found

    @property
    def fetched(self) -> set[str]:
        """The names of the files whose bytes were given away."""
        return {path.rpartition("/")[2] for path in self.asked if "/resolve/" in path}


class Handler(BaseHTTPRequestHandler):
    """The routes that the hub's client uses for a repository's files."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        served: Hub = self.server.served  # type: ignore[attr-defined]
        path = unquote(urlsplit(self.path).path)
        if body:
            served.asked.append(path)
        if path.startswith("/api/models/"):
            self.answer_api(served, path.removeprefix("/api/models/"))
            return
        repository, _, rest = path.strip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        data = served.files.get(repository, {}).get(revision, {}).get(name)
        if data is None:
            self.reply(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            return
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": revision}
        self.reply(200, data, headers)

    def answer_api(self, served: Hub, path: str) -> None:
        owner, name, *rest = path.split("/", 3)
        repository = f"{owner}/{name}"
        if repository not in served.files:
            self.reply(404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"})
            return
        what, revision = (*rest, "main", "main")[:2] if rest else ("revision", "main")
        if what == "discussions":
            found = {"discussions": served.proposals, "count": len(served.proposals), "start": 0}
            self.reply(200, json.dumps(found).encode(), {})
            return
        commit = served.refs.get(revision, revision)
        files = served.files[repository].get(commit)
        if files is None:
            self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif what == "tree":
            rows = [
                {"type": "file", "path": key, "size": len(data), "oid": "0" * 40}
                for key, data in files.items()
            ]
            self.reply(200, json.dumps(rows).encode(), {})
        else:
            info = {"id": repository, "sha": commit, "siblings": [{"rfilename": k} for k in files]}
            self.reply(200, json.dumps(info).encode(), {})

    def reply(self, code: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.served = Hub(address=f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.served.address)  # type: ignore[attr-defined]
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield server.served  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A checkpoint of transformers, with what else lies in such repositories."""
    folder = tmp_path / "clip"
    save_pretrained(load_pretrained(FIXTURES / "open_clip_vit"), folder)
    for name in ("pytorch_model.bin", "flax_model.msgpack", "README.md", "run.py"):
        (folder / name).write_bytes(b"not fetched")
    (folder / "open_clip_model.safetensors").write_bytes(b"the same once more")
    return folder


def test_only_texts_and_tensors_are_fetched_and_only_once(served: Hub, clip: Path) -> None:
    served.add("owner/clip", clip)
    folder = hub.download("hf:owner/clip", check=layout_of, progress=lambda *_: None)
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert served.fetched == names
    assert (folder / "model.safetensors").read_bytes() == (clip / "model.safetensors").read_bytes()
    served.asked.clear()
    assert hub.download("hf:owner/clip", progress=lambda *_: None) == folder
    assert served.fetched == set()


def test_a_space_is_loaded_by_address_and_offline_from_the_cache(
    served: Hub, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import interlingua as il

    served.add("owner/clip", clip)
    space = il.load("hf:owner/clip", device="cpu")
    assert space.kinds == ("image", "text")
    assert space.id == il.load(f"hf:owner/clip@{COMMIT}", device="cpu").id
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert il.load("hf:owner/clip", device="cpu").id == space.id
    with pytest.raises(FetchError, match="can't be fetched") as caught:
        il.load("hf:owner/another")
    assert "network" in str(caught.value.next_step)


def test_a_model_that_cannot_be_loaded_costs_no_weights(served: Hub, clip: Path) -> None:
    (clip / "config.json").write_text('{"model_type": "blip"}')
    served.add("owner/blip", clip)
    with pytest.raises(LayoutError, match="'blip'"):
        hub.download("hf:owner/blip", check=layout_of, progress=lambda *_: None)
    assert "model.safetensors" not in served.fetched


def test_a_pickle_is_refused_unless_the_hub_has_converted_it(
    served: Hub, clip: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for name in ("config.json", "preprocessor_config.json", "pytorch_model.bin"):
        (old / name).write_bytes((clip / name).read_bytes())
    served.add("owner/old", old)
    with pytest.raises(FetchError, match=r"pickle only \(pytorch_model.bin\)") as caught:
        hub.download("hf:owner/old", progress=lambda *_: None)
    assert "interlingua weights convert pytorch_model.bin" in str(caught.value.next_step)
    assert "pytorch_model.bin" not in served.fetched
    served.add("owner/old", clip, PROPOSED)
    served.refs["refs/pr/7"] = PROPOSED
    served.proposals += [
        {**PROPOSAL, "num": 9, "author": {"name": "somebody"}},
        {**PROPOSAL, "num": 8, "title": "Something else"},
        PROPOSAL,
    ]
    told: list[str] = []
    folder = hub.download("hf:owner/old", progress=lambda text, *_: told.append(text))
    assert folder.name == PROPOSED
    assert any("refs/pr/7" in text for text in told)
    load_pretrained(folder)


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("hf:", "no address"),
        ("hf:a/b/c", "no address"),
        ("hf:../../etc", "no address|hub has no"),
        ("hf:owner/nothing", "The hub has no owner/nothing"),
        ("hf:owner/clip@nothing", "The hub has no owner/clip@nothing"),
    ],
)
def test_what_is_not_there_is_named(served: Hub, clip: Path, address: str, complaint: str) -> None:
    served.add("owner/clip", clip)
    with pytest.raises(FetchError, match=complaint) as caught:
        hub.download(address, progress=lambda *_: None)
    assert caught.value.next_step
