"""Folders of the server as datastores: who may add which, what a glob selects, and that nothing leads out of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site

from labeling_site.core import errors
from projects.models import Dataset, Datastore
from projects.services import datasets, datastores, folders
from tests import factories


@pytest.fixture
def people(db: None) -> factories.People:
    return factories.make_people()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with some files, a few of them awkward."""
    top = tmp_path / "images"
    for name in [
        "b.jpg",
        "a/2.jpg",
        "a/1.PNG",
        "a/deep/er/3.jpg",
        "a-b/4.jpg",
        "notes.txt",
        "a/x [1].jpg",
        "no_suffix",
    ]:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x")
    return top


def paths(root: Path, glob: str, after: bytes = b"") -> list[str]:
    return [facts.path for facts in folders.walk(root, folders.parse_glob(glob), after=after)]


# --- Who may add which folder ----------------------------------------------------------------------------------------


def test_an_administrator_adds_any_folder(people: factories.People, root: Path) -> None:
    people.alice.is_superuser = True
    made = datastores.create_local_datastore(
        actor=people.alice, workspace=people.workspace, name=" Scans ", root=str(root)
    )
    assert (made.name, made.config["root"], made.is_default) == ("Scans", str(root), False)


def test_an_owner_adds_only_folders_that_the_site_allows(people: factories.People, root: Path, settings: Any) -> None:
    with pytest.raises(errors.Forbidden, match="LOCAL_FOLDERS"):
        datastores.create_local_datastore(actor=people.alice, workspace=people.workspace, name="x", root=str(root))
    assert not Datastore.objects.filter(kind=Datastore.Kind.LOCAL).exists()
    settings.LOCAL_FOLDERS = [root]
    datastores.create_local_datastore(actor=people.alice, workspace=people.workspace, name="x", root=str(root / "a"))
    with pytest.raises(errors.Forbidden):  # a name that begins like an allowed folder is another folder
        settings.LOCAL_FOLDERS = [root / "a"]
        datastores.create_local_datastore(
            actor=people.alice, workspace=people.workspace, name="y", root=str(root / "a-b")
        )
    (root / "way-out").symlink_to(root / "a-b")
    with pytest.raises(errors.Forbidden):
        settings.LOCAL_FOLDERS = [root / "a"]
        datastores.create_local_datastore(
            actor=people.alice, workspace=people.workspace, name="z", root=str(root / "way-out")
        )
    assert Datastore.objects.filter(kind=Datastore.Kind.LOCAL).count() == 1


def test_a_labeler_and_a_stranger_add_none(people: factories.People, root: Path, settings: Any) -> None:
    settings.LOCAL_FOLDERS = [root]
    for person, refusal in [(people.bob, errors.Forbidden), (people.charlie, errors.NotFound)]:
        with pytest.raises(refusal):
            datastores.create_local_datastore(actor=person, workspace=people.workspace, name="x", root=str(root))
    assert not Datastore.objects.filter(kind=Datastore.Kind.LOCAL).exists()


@pytest.mark.parametrize("folder", ["/", "/etc", "/proc/self", "relative", "/nowhere/at/all", "/etc/hostname", "\0"])
def test_folders_that_nobody_may_add(people: factories.People, folder: str) -> None:
    people.alice.is_superuser = True
    with pytest.raises(errors.Invalid) as refusal:
        datastores.create_local_datastore(actor=people.alice, workspace=people.workspace, name="x", root=folder)
    assert "root" in refusal.value.fields
    assert not Datastore.objects.filter(kind=Datastore.Kind.LOCAL).exists()


def test_the_sites_own_data_is_nobodys_datastore(people: factories.People) -> None:
    people.alice.is_superuser = True
    for folder in [site.HOME, site.HOME / "db", site.HOME.parent]:
        with pytest.raises(errors.Invalid, match="own data"):
            datastores.create_local_datastore(
                actor=people.alice, workspace=people.workspace, name="x", root=str(folder)
            )


def test_a_datastore_in_use_stays(people: factories.People, root: Path) -> None:
    people.alice.is_superuser = True
    used = datastores.create_local_datastore(actor=people.alice, workspace=people.workspace, name="x", root=str(root))
    dataset = datasets.create_dataset(
        actor=people.alice, workspace=people.workspace, name="d", kind=Dataset.Kind.DATASTORE, datastore=used
    )
    with pytest.raises(errors.Conflict, match="d"):
        datastores.delete_datastore(actor=people.alice, datastore=used)
    assert Datastore.objects.filter(pk=used.pk).exists()
    Dataset.objects.filter(pk=dataset.pk).delete()
    datastores.delete_datastore(actor=people.alice, datastore=used)
    assert not Datastore.objects.filter(pk=used.pk).exists()
    with pytest.raises(errors.Conflict, match="own storage"):
        datastores.delete_datastore(actor=people.alice, datastore=datastores.site_datastore(people.workspace))


def test_a_name_is_taken_once_per_workspace(people: factories.People, root: Path) -> None:
    people.alice.is_superuser = True
    datastores.create_local_datastore(actor=people.alice, workspace=people.workspace, name="x", root=str(root))
    with pytest.raises(errors.Conflict, match="already"):
        datastores.create_local_datastore(actor=people.alice, workspace=people.workspace, name="x", root=str(root))
    other = factories.make_workspace(people.alice, name="Other")
    datastores.create_local_datastore(actor=people.alice, workspace=other, name="x", root=str(root))


# --- What a glob selects ---------------------------------------------------------------------------------------------

EVERYTHING = ["a-b/4.jpg", "a/1.PNG", "a/2.jpg", "a/deep/er/3.jpg", "a/x [1].jpg", "b.jpg", "no_suffix", "notes.txt"]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("", EVERYTHING),
        ("/", EVERYTHING),
        ("/**", EVERYTHING),
        ("**/*.*", EVERYTHING),
        ("a", ["a/1.PNG", "a/2.jpg", "a/deep/er/3.jpg", "a/x [1].jpg"]),
        ("/a/", ["a/1.PNG", "a/2.jpg", "a/deep/er/3.jpg", "a/x [1].jpg"]),
        ("a/**", ["a/1.PNG", "a/2.jpg", "a/deep/er/3.jpg", "a/x [1].jpg"]),
        ("a/*.jpg", ["a/2.jpg", "a/x [1].jpg"]),
        ("a/*.png", ["a/1.PNG"]),
        ("*.jpg", ["b.jpg"]),
        ("**/*.jpg", ["a-b/4.jpg", "a/2.jpg", "a/deep/er/3.jpg", "a/x [1].jpg", "b.jpg"]),
        ("a/**/3.jpg", ["a/deep/er/3.jpg"]),
        ("*/?.jpg", ["a-b/4.jpg", "a/2.jpg"]),
        ("a/x [1].jpg", ["a/x [1].jpg"]),
        ("a/x [1].*", ["a/x [1].jpg"]),
        ("b.jpg", ["b.jpg"]),
    ],
)
def test_globs(root: Path, glob: str, expected: list[str]) -> None:
    assert paths(root, glob) == expected
    assert folders.count(root, folders.parse_glob(glob)) == len(expected)


def test_one_character_may_be_several_bytes(tmp_path: Path) -> None:
    for name in ["é.jpg", "ab.jpg", "c.jpg"]:
        (tmp_path / name).touch()
    assert paths(tmp_path, "?.jpg") == ["c.jpg", "é.jpg"]


@pytest.mark.parametrize("glob", ["../x", "a/../../x", "a\\b", "a\0b", "a/b**/c", "x" * 1001])
def test_paths_that_are_refused(root: Path, glob: str) -> None:
    with pytest.raises(errors.Invalid):
        paths(root, glob)


def test_a_folder_that_is_not_there_is_said_so(root: Path) -> None:
    with pytest.raises(errors.NotFound, match="nowhere"):
        paths(root, "nowhere/**")


def test_walking_goes_on_from_any_place_in_byte_order(root: Path) -> None:
    everything = paths(root, "")
    assert everything == sorted(everything, key=os.fsencode)
    for index, path in enumerate(everything):
        assert paths(root, "", after=os.fsencode(path)) == everything[index + 1 :]
    assert paths(root, "", after=b"a/3 is not there") == everything[everything.index("a/deep/er/3.jpg") :]


def test_a_preview_counts_by_kind(people: factories.People, root: Path) -> None:
    people.alice.is_superuser = True
    datastore = datastores.create_local_datastore(
        actor=people.alice, workspace=people.workspace, name="x", root=str(root)
    )
    seen = datasets.preview(actor=people.alice, datastore=datastore, path="a/**")
    assert (seen.count, seen.is_cut, seen.extensions) == (4, False, {".jpg": 3, ".png": 1})
    assert seen.paths[0] == "a/1.PNG"
    with pytest.raises(errors.Forbidden):
        datasets.preview(actor=people.bob, datastore=datastore, path="")


def test_a_preview_that_matches_nothing_ends_in_time_too(
    people: factories.People, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.alice.is_superuser = True
    datastore = datastores.create_local_datastore(
        actor=people.alice, workspace=people.workspace, name="Disk", root=str(root)
    )
    (root / "many").mkdir()
    (root / "many" / "a.png").write_bytes(b"x")
    asked = {"actor": people.alice, "datastore": datastore, "path": "many/**/*.nothing"}
    assert datasets.preview(**asked) == datasets.Preview(0, False, {}, [])
    monkeypatch.setattr(datasets, "PREVIEW_SECONDS", -1.0)
    assert datasets.preview(**asked) == datasets.Preview(0, True, {}, [])


def test_browsing_shows_one_folder(people: factories.People, root: Path) -> None:
    people.alice.is_superuser = True
    datastore = datastores.create_local_datastore(
        actor=people.alice, workspace=people.workspace, name="x", root=str(root)
    )
    (root / "out").symlink_to("/etc")
    listing = datastores.list_folder(datastore, "a")
    assert (listing.folders, listing.files, listing.is_cut) == (["deep"], ["1.PNG", "2.jpg", "x [1].jpg"], False)
    for path in ["out", "nowhere"]:
        with pytest.raises(errors.NotFound):
            datastores.list_folder(datastore, path)
    with pytest.raises(errors.Invalid):
        datastores.list_folder(datastore, "../..")


# --- Nothing leads out -----------------------------------------------------------------------------------------------


def test_links_out_of_the_folder_are_never_followed(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    (root / "link.jpg").symlink_to(secret)
    (root / "folder").symlink_to(tmp_path)
    (root / "inside.jpg").symlink_to(root / "b.jpg")
    (root / "inside-folder").symlink_to(root / "a")
    (root / "dangling.jpg").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe.jpg")
    refused = {facts.path: facts.refusal for facts in folders.walk(root, folders.parse_glob("")) if facts.refusal}
    assert set(refused) == {"link.jpg", "folder", "inside-folder", "dangling.jpg", "pipe.jpg"}
    assert "out of the datastore" in refused["link.jpg"]
    for path in [
        "link.jpg",
        "folder/secret.jpg",
        "pipe.jpg",
        "../secret.jpg",
        "/etc/passwd",
        "",
        "a",
        "gone.jpg",
        "a\0",
    ]:
        with pytest.raises(errors.NotFound):
            folders.open_inside(root, path)
    for path in ["b.jpg", "inside.jpg", "inside-folder/2.jpg"]:
        with folders.open_inside(root, path) as handle:
            assert handle.read() == b"x"
    with pytest.raises(errors.NotFound):
        paths(root, "folder/**")
