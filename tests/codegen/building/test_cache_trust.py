"""Nothing is loaded from a folder that somebody else could write to."""

from __future__ import annotations

import grp
import os
import pwd
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from chalkgrad.codegen.building import cache, trust
from chalkgrad.codegen.building.build import _identity, _threads, compile_cached, publish_module
from chalkgrad.codegen.errors import BuildError, CacheWarning
from tests.codegen.building.test_build import doubled, scaled, unload

STRANGER = 65533
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of our own, which has the configured cache and the one for temporary files."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("CHALKGRAD_CACHE", str(tmp_path / "cache"))
    for known in (cache._warn, _identity, _threads):
        known.cache_clear()
    yield tmp_path
    cache._warn.cache_clear()


def private(place: Path) -> Path:
    return place / "tmp" / f"chalkgrad-{os.geteuid()}"


def planted(folder: Path) -> Path:
    """The folder with a note that somebody wrote there."""
    folder.mkdir(parents=True)
    (folder / "note").write_text("planted")
    return folder


def refused(place: Path, folder: Path, reason: str) -> None:
    """The folder is neither read nor written, and one warning says why."""
    with pytest.warns(CacheWarning) as caught:
        assert cache.read_note("note") is None
        assert cache.write_note("note", "ours") == private(place) / "note"
        assert cache.read_note("note") == "ours"
        assert cache.publish("entry", lambda making: None) == private(place) / "entry"
        assert cache.find("entry") == private(place) / "entry"
    (warning,) = caught
    text = str(warning.message)
    assert text.startswith(f"{folder} is not used as the cache") and reason in text
    assert "CHALKGRAD_CACHE" in text and "a private temporary one is used" in text
    assert private(place).stat().st_mode & 0o777 == 0o700


def accepted(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.write_note("another", "ours") == folder / "another"
        assert cache.read_note("another") == "ours"


# ----------------------------------------------------------------------------- whose it is


@needs_root
@pytest.mark.parametrize("variable", ["CHALKGRAD_CACHE", "XDG_CACHE_HOME", "HOME"])
def test_a_folder_of_another_user(place: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("CHALKGRAD_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(place / "theirs"))
    below = {"CHALKGRAD_CACHE": "", "XDG_CACHE_HOME": "chalkgrad", "HOME": ".cache/chalkgrad"}[variable]
    folder = planted(place / "theirs" / below)
    os.chown(folder, STRANGER, STRANGER)
    refused(place, folder, f"{folder} belongs to the user {STRANGER}")


@needs_root
def test_a_folder_above_of_another_user(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = planted(place / "home" / "cache")
    os.chown(place / "home", STRANGER, STRANGER)
    monkeypatch.setenv("CHALKGRAD_CACHE", str(folder))
    refused(place, folder, f"{place / 'home'} belongs to")


@needs_root
def test_nothing_is_made_in_a_folder_of_another_user(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "home").mkdir()
    os.chown(place / "home", STRANGER, STRANGER)
    folder = place / "home" / ".cache" / "chalkgrad"
    monkeypatch.setenv("CHALKGRAD_CACHE", str(folder))
    refused(place, folder, "belongs to")
    assert not list((place / "home").iterdir())


@needs_root
def test_a_planted_library_is_not_loaded(place: Path) -> None:
    source = scaled(factor=3.0)
    module = compile_cached("recipe", lambda: [source])
    unload(module)
    library = place / "cache" / module.__name__ / f"{module.__name__}.so"
    for path in (place / "cache", *(place / "cache").rglob("*")):
        os.chown(path, STRANGER, STRANGER)
    with pytest.warns(CacheWarning, match="belongs to"):
        again = compile_cached("recipe", lambda: [source])
    assert again.__file__ is not None and Path(again.__file__).parents[1] == private(place)
    assert library.exists() and doubled(again) == pytest.approx(3.0)


@needs_root
def test_what_was_planted_before_the_folder_was_closed(place: Path) -> None:
    """Files of another user in a folder of our own."""
    source = scaled(factor=5.0)
    module = compile_cached("recipe", lambda: [source])
    text = "answer = 42\n"
    twin = publish_module("planted_twin", text)
    unload(module)
    unload(twin)
    assert twin.__file__ is not None
    entry = place / "cache" / module.__name__
    for path in (entry, Path(twin.__file__), *(place / "cache").glob("recipe_*")):
        os.chown(path, STRANGER, STRANGER)
    assert cache.find(module.__name__) is None
    again = compile_cached("recipe", lambda: [source])
    assert publish_module("planted_twin", text).answer == 42
    assert doubled(again) == pytest.approx(5.0)
    assert entry.stat().st_uid == Path(twin.__file__).stat().st_uid == 0


# ----------------------------------------------------------------------------- who may write


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_folder_that_all_may_write(place: Path, mode: int) -> None:
    folder = planted(place / "cache")
    folder.chmod(mode)
    refused(place, folder, f"others than its owner may write to {folder} (mode {mode:04o})")


def test_a_folder_above_that_all_may_write(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = planted(place / "all" / "cache")
    monkeypatch.setenv("CHALKGRAD_CACHE", str(folder))
    (place / "all").chmod(0o777)
    refused(place, folder, f"others than its owner may write to {place / 'all'}")


def test_a_sticky_folder_above(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHALKGRAD_CACHE", str(place / "all" / "cache"))
    (place / "all").mkdir()
    (place / "all").chmod(0o1777)
    accepted(place / "all" / "cache")
    assert (place / "all" / "cache").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("back", ["cache/..", "cache/below/../.."])
def test_a_way_back_is_followed(place: Path, monkeypatch: pytest.MonkeyPatch, back: str) -> None:
    folder = planted(place / "all")
    (folder / "cache" / "below").mkdir(parents=True)
    folder.chmod(0o1777)
    monkeypatch.setenv("CHALKGRAD_CACHE", f"{folder}/{back}")
    refused(place, folder / back, "others than its owner may write to")


def users(monkeypatch: pytest.MonkeyPatch, status: os.stat_result, group: int, *members: str) -> None:
    """Have this user alone in its primary group, and the members too."""
    mine = SimpleNamespace(pw_name="me", pw_uid=status.st_uid, pw_gid=group)
    other = SimpleNamespace(
        pw_name="other", pw_uid=STRANGER, pw_gid=status.st_gid if "other" in members else 7
    )
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: mine if uid == status.st_uid else other)
    monkeypatch.setattr(pwd, "getpwall", lambda: [mine, other])
    extra = [name for name in members if name != "other"]
    monkeypatch.setattr(grp, "getgrgid", lambda gid: SimpleNamespace(gr_mem=extra))


@pytest.mark.parametrize(
    "members, primary, alone",
    [
        ((), True, True),
        (("me",), True, True),
        (("friend",), True, False),
        (("other",), True, False),
        ((), False, False),
    ],
)
def test_a_folder_that_a_group_may_write(
    place: Path, monkeypatch: pytest.MonkeyPatch, members: tuple[str, ...], primary: bool, alone: bool
) -> None:
    folder = planted(place / "cache")
    folder.chmod(0o770)
    status = folder.stat()
    users(monkeypatch, status, status.st_gid if primary else status.st_gid + 1, *members)
    if alone:
        accepted(folder)
    else:
        refused(place, folder, f"others than its owner may write to {folder} (mode 0770)")


def test_a_list_of_users_that_may_write(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bits of the group then say what somebody in the list may."""
    folder = planted(place / "cache")
    folder.chmod(0o770)
    status = folder.stat()
    users(monkeypatch, status, status.st_gid)
    monkeypatch.setattr(os, "listxattr", lambda path: ["system.posix_acl_access"], raising=False)
    refused(place, folder, "others than its owner may write to")


# ----------------------------------------------------------------------------- links


def test_a_link_of_our_own(place: Path) -> None:
    (place / "elsewhere").mkdir(mode=0o700)
    (place / "cache").symlink_to("elsewhere")
    accepted(place / "cache")
    assert (place / "elsewhere" / "another").is_file()


def test_a_link_to_a_folder_that_all_may_write(place: Path) -> None:
    target = planted(place / "all" / "cache")
    (place / "cache").symlink_to(target)
    target.chmod(0o777)
    refused(place, place / "cache", f"others than its owner may write to {target}")


def test_a_link_through_a_folder_that_all_may_write(place: Path) -> None:
    target = planted(place / "all" / "cache")
    (place / "cache").symlink_to("all/../all/cache")
    (place / "all").chmod(0o777)
    refused(place, place / "cache", f"others than its owner may write to {place / 'all'}")
    assert (target / "note").read_text() == "planted"


@needs_root
def test_a_link_of_another_user(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(place / "elsewhere")
    (place / "all").mkdir()
    (place / "all").chmod(0o1777)
    link = place / "all" / "cache"
    link.symlink_to(place / "elsewhere")
    os.lchown(link, STRANGER, STRANGER)
    monkeypatch.setenv("CHALKGRAD_CACHE", str(link))
    refused(place, link, f"{link} belongs to")


def test_links_in_a_circle(place: Path) -> None:
    (place / "cache").symlink_to("cache")
    assert cache.write_note("note", "ours") == private(place) / "note"


# ----------------------------------------------------------------------------- the temporary folder


def test_a_temporary_folder_where_others_may_replace_it(place: Path) -> None:
    planted(place / "cache").chmod(0o777)
    (place / "tmp").chmod(0o777)
    with pytest.warns(CacheWarning), pytest.raises(BuildError, match="not a private folder"):
        cache.write_note("note", "ours")
    assert cache.read_note("note") is None


# ----------------------------------------------------------------------------- where root is hidden


@pytest.mark.parametrize(
    "uid_map, root",
    [
        ("         0          0 4294967295\n", 0),
        ("         0       1000          1\n         1     100000      65536\n", 0),
        ("      1000       1000          1\n", 65534),
        ("", 0),
        ("nonsense\n", 0),
    ],
)
def test_root_in_a_namespace(monkeypatch: pytest.MonkeyPatch, uid_map: str, root: int) -> None:
    files = {"/proc/self/uid_map": uid_map, "/proc/sys/kernel/overflowuid": "65534\n"}
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: files[str(path)])
    assert trust._root.__wrapped__() == root


@needs_root
def test_folders_of_a_root_that_a_namespace_hides(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a sandbox: the folders of the system seem to be nobody's, but the cache must be ours."""
    folder = planted(place / "system" / "cache")
    os.chown(place / "system", STRANGER, STRANGER)
    monkeypatch.setattr(trust, "_root", lambda: STRANGER)
    monkeypatch.setenv("CHALKGRAD_CACHE", str(folder))
    accepted(folder)
    os.chown(folder, STRANGER, STRANGER)
    refused(place, folder, f"{folder} belongs to")
