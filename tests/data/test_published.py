"""Finding published files: on archives made here, and a server on this machine for the network."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ssl_jax.data import download, published
from ssl_jax.data.dataset import Arrays
from ssl_jax.data.options import Options
from ssl_jax.data.published import Archive
from ssl_jax.errors import InputError

CONTENTS = {"images.bin": bytes(range(200)), "labels.bin": b"\0\1", "names.txt": b"cat\ndog\n\n"}


def pack(path, contents, folder):
    """Writes a gzipped tar archive with files in a folder, and the folder itself as a member."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(folder)
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def described(path, contents, like):
    """Returns what is known of an archive on disk, with the names in another one."""
    content = path.read_bytes()
    sizes = {name: len(contents[name]) for name in like.files}
    digest = hashlib.sha256(content).hexdigest()
    return like._replace(url=path.as_uri(), size=len(content), sha256=digest, files=sizes)


def refusal(call, *args):
    with pytest.raises(InputError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; `half` gives the first half of the archive, and `junk` what is not HTTP."""

    def do_GET(self):
        if self.path.startswith("/junk/"):
            return self.wfile.write(b"what?\r\n")
        if not self.path.startswith("/half/"):
            return super().do_GET()
        content = Path(self.directory, "things.tar.gz").read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return self.wfile.write(content[: len(content) // 2])

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache/ssl_jax/data"


@pytest.fixture
def packed(tmp_path):
    return pack(tmp_path / "site/things.tar.gz", CONTENTS, "things")


@pytest.fixture
def archive(packed):
    like = Archive("", 0, "", "things", "names.txt", {"images.bin": 0, "labels.bin": 0})
    return described(packed, CONTENTS, like)


@pytest.fixture
def server(packed):
    """Returns the address of a server that has the archive."""
    handler = functools.partial(Server, directory=str(packed.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


HERE = Options("things")


def is_complete(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENTS


def test_what_is_missing_is_downloaded_once(archive, server, cache, packed):
    online = archive._replace(url=f"{server}/things.tar.gz")
    assert published.find(online, HERE) == cache / "things"
    assert is_complete(cache / "things")
    packed.unlink()
    assert published.find(online, HERE) == cache / "things"
    assert [path.name for path in cache.iterdir()] == ["things"]


def test_an_archive_in_the_cache_folder_takes_the_place_of_the_network(archive, cache, packed):
    cache.mkdir(parents=True)
    packed.rename(cache / "things.tar.gz")
    assert is_complete(published.find(archive, HERE))


@pytest.mark.parametrize("place", ["things", "."])
def test_unpacked_files_are_read_where_they_are(archive, cache, tmp_path, monkeypatch, place):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "mine" / place
    folder.mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
    assert published.find(archive, Options("things", data_dir="~/mine")) == folder
    assert not cache.exists()


def test_an_archive_in_data_dir_is_unpacked_into_the_cache_folder(archive, cache, packed):
    mine = Options("things", data_dir=str(packed.parent))
    assert published.find(archive, mine) == cache / "things"
    assert is_complete(cache / "things")
    assert list(packed.parent.iterdir()) == [packed]
    packed.write_bytes(b"no longer read")
    assert published.find(archive, mine) == cache / "things"


def test_a_data_dir_without_the_data_is_refused(archive, tmp_path):
    mine = Options("things", data_dir=str(tmp_path / "mine"))
    assert refusal(published.find, archive, mine) == (
        f"data.data_dir: '{tmp_path}/mine' holds neither things.tar.gz nor things; expected one of "
        f"them, None to download {archive.url}, or data.name 'tfds:things' for data that TFDS "
        "prepared"
    )


def nothing_left(cache):
    return list(cache.iterdir()) == []


def test_without_a_network_one_line_says_where_to_put_the_file(archive, cache, server):
    unreachable = archive._replace(url="http://127.0.0.1:1/things.tar.gz")
    message = refusal(published.find, unreachable, HERE)
    assert message.startswith(
        "data.name: 'things' cannot be downloaded from http://127.0.0.1:1/things.tar.gz to "
        f"{cache} (["
    )
    assert message.endswith(
        "Connection refused); expected a network connection, or things.tar.gz in that folder or in "
        "data.data_dir"
    )
    missing = refusal(published.find, archive._replace(url=f"{server}/no.tar.gz"), HERE)
    assert f"{server}/no.tar.gz to {cache} (HTTP Error 404: File not found); " in missing
    strange = refusal(published.find, archive._replace(url=f"{server}/junk/things.tar.gz"), HERE)
    assert f"{server}/junk/things.tar.gz to {cache} (what?); " in strange
    assert nothing_left(cache)


def test_a_server_that_says_nothing_is_left_alone(archive, monkeypatch):
    monkeypatch.setattr(download, "_SECONDS", 0.05)
    with http.server.HTTPServer(("127.0.0.1", 0), None) as silent:  # it accepts no request
        url = f"http://127.0.0.1:{silent.server_port}/things.tar.gz"
        assert "(timed out)" in refusal(published.find, archive._replace(url=url), HERE)


def test_a_download_that_breaks_off_is_refused(archive, server, cache):
    half = archive._replace(url=f"{server}/half/things.tar.gz")
    assert refusal(published.find, half, HERE) == (
        f"{half.url}: has {archive.size // 2} bytes; expected {archive.size}, as published"
    )
    assert nothing_left(cache)


def test_another_file_than_published_is_refused(archive, cache):
    other = archive._replace(sha256="0" * 64)
    assert refusal(published.find, other, HERE) == (
        f"{archive.url}: has the SHA-256 {archive.sha256}; expected {'0' * 64}, as published"
    )
    assert nothing_left(cache)


def test_no_more_is_downloaded_than_expected(archive, packed, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_CHUNK", 10)
    packed.write_bytes(bytes(100_000))
    download.fetch(archive.url, 95, tmp_path / "kept")
    assert (tmp_path / "kept").stat().st_size == 100


@pytest.mark.parametrize("damage", ["truncate", "change"])
def test_a_damaged_archive_is_refused(archive, cache, packed, damage):
    content = bytearray(packed.read_bytes())
    if damage == "truncate":
        del content[-20:]
    else:
        content[40] ^= 1
    packed.write_bytes(content)
    message = refusal(published.find, archive, Options("things", data_dir=str(packed.parent)))
    problem = f"has {archive.size - 20} bytes" if damage == "truncate" else "has the SHA-256 "
    assert message.startswith(f"{packed}: {problem}")
    assert nothing_left(cache)


@pytest.mark.parametrize(
    "file",
    [
        {"name": "things/images.bin", "size": 10**6},
        {"name": "things/names.txt", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"name": "../images.bin", "size": 200},
        {"name": "things/../images.bin", "size": 200},
        {"name": "/things/images.bin", "size": 200},
    ],
)
def test_only_known_files_of_known_sizes_are_unpacked(archive, cache, tmp_path, packed, file):
    """Whoever gets hold of the checksum too can still write nothing else."""
    with tarfile.open(packed, "w:gz") as changed:
        member = tarfile.TarInfo()
        for key, value in file.items():
            setattr(member, key, value)
        changed.addfile(member, io.BytesIO(bytes(member.size)))
    changed = described(packed, CONTENTS, archive)
    message = refusal(published.find, changed, HERE)
    assert message == (
        f"{cache}/things/images.bin: cannot be read (No such file or directory); expected a file "
        "of 200 bytes"
    )
    assert list((cache / "things").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "site"]


def test_unpacked_files_of_another_size_are_refused(archive, cache):
    path = published.find(archive, HERE) / "images.bin"
    path.write_bytes(bytes(199))
    assert refusal(published.find, archive, HERE) == (
        f"{path}: has 199 bytes; expected 200, as published"
    )
    path.unlink()
    path.mkdir()
    assert refusal(published.find, archive, HERE) == (
        f"{path}: cannot be read (Is a directory); expected a file of 200 bytes"
    )


def test_several_starts_at_once(archive, cache):
    with ThreadPoolExecutor(8) as starts:
        found = list(starts.map(lambda _: published.find(archive, HERE), range(8)))
    assert found == [cache / "things"] * 8
    assert is_complete(cache / "things")
    assert [path.name for path in cache.iterdir()] == ["things"]


def test_a_slower_start_takes_what_a_faster_one_has_unpacked(archive, cache, monkeypatch):
    fetch = download.fetch

    def slow(*args):
        fetch(*args)
        monkeypatch.setattr(download, "fetch", fetch)
        published.find(archive, HERE)

    monkeypatch.setattr(download, "fetch", slow)
    assert is_complete(published.find(archive, HERE))
    assert [path.name for path in cache.iterdir()] == ["things"]


def test_an_interrupted_start_leaves_nothing_behind(archive, cache, monkeypatch):
    def interrupted(url, size, path):
        assert path.parent.parent == cache
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "fetch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        published.find(archive, HERE)
    assert nothing_left(cache)


def test_a_cache_folder_that_cannot_be_made_is_named(archive, cache, packed):
    cache.parent.parent.write_text("a file")
    for options in (HERE, Options("things", data_dir=str(packed.parent))):
        assert f"to {cache} ([Errno " in refusal(published.find, archive, options)


def test_a_user_without_a_home_folder_is_told_so(archive, packed, tmp_path, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.home", homeless)
    assert refusal(published.find, archive, HERE) == (
        "data.name: 'things' has no folder to be kept in (Could not determine home directory.); "
        "expected an absolute path in $XDG_CACHE_HOME"
    )
    with tarfile.open(packed) as members:
        members.extractall(tmp_path, filter="data")
    mine = Options("things", data_dir=str(tmp_path))
    assert published.find(archive, mine) == tmp_path / "things"


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_terminals_only(archive, monkeypatch, capsys, terminal):
    monkeypatch.setattr("rich.console.Console.is_terminal", terminal)
    published.find(archive, HERE)
    out, error = capsys.readouterr()
    assert out == ""
    for work in ("downloading", "checking", "unpacking"):
        assert (f"{work} things.tar.gz" in error) == terminal
    assert bool(error) == terminal


def test_names_are_read_line_by_line(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(b"cat\r\ntall tree\n\n")
    assert published.read_names(path) == ("cat", "tall tree")
    path.write_bytes(b"\n")
    assert refusal(published.read_names, path) == f"{path}: is empty; expected one name per line"
    path.write_bytes(b"\xff")
    assert "cannot be read ('utf-8' codec can't decode" in refusal(published.read_names, path)
    path.unlink()
    assert refusal(published.read_names, path).endswith("expected one name per line")


def test_labels_have_names(tmp_path):
    labels = np.array([1, 2], np.uint8)
    counted = published.check_labels(tmp_path, labels, ("a", "b"), first=1)
    assert counted.tolist() == [0, 1]
    assert counted.dtype == np.int32
    for first, wrong in ((0, 2), (2, 1)):
        message = refusal(published.check_labels, tmp_path, labels, ("a", "b"), first)
        assert message == f"{tmp_path}: holds the label {wrong}; expected {first} to {first + 1}"


def test_examples_come_in_the_order_of_tfds(tmp_path):
    import tensorflow_datasets as tfds

    class Rows(tfds.core.GeneratorBasedBuilder):
        """Three splits of numbered rows."""

        VERSION = tfds.core.Version("1.0.0")
        __module__ = "rows"

        def _info(self):
            features = tfds.features.FeaturesDict({"row": np.int64})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, _):
            return {name: self._generate_examples() for name in ("train", "test", "unlabelled")}

        def _generate_examples(self):
            for row in range(150):
                yield row, {"row": row}

    builder = Rows(data_dir=str(tmp_path), file_format="array_record")
    builder.download_and_prepare()
    source = Arrays({"row": np.arange(150)})
    for split, records in builder.as_data_source().items():
        ours = published.in_order_of_tfds(source, split)
        assert [int(example["row"]) for example in ours] == [int(r["row"]) for r in records]
