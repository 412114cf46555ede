"""The tree of label classes: what labelers choose from, and how it changes without touching a label."""

from __future__ import annotations

import pytest

from labeling_site.core import errors
from projects import selectors
from projects.models import LabelClass, Project
from projects.services import counters, label_classes
from projects.services.colours import PALETTE
from tests.factories import add_member, label_class, make_people, make_project, make_workspace

pytestmark = pytest.mark.django_db

ZOO = [
    {"name": "Animal", "children": [{"name": "Cat", "children": [{"name": "Lion"}]}, {"name": "Dog"}]},
    {"name": "Plant", "colour": "#00FF00"},
]


@pytest.fixture
def people():
    return make_people()


@pytest.fixture
def zoo(people) -> Project:
    return make_project(people.workspace, classes=ZOO, images=1)


def paths(project: Project, **more) -> list[str]:
    return [node.label_class.path for node in selectors.class_list(project, **more)]


# --- The tree --------------------------------------------------------------------------------------------------------


def test_a_tree_is_stored_from_top_to_bottom_with_paths_keys_and_colours(zoo):
    assert paths(zoo) == ["Animal", "Animal/Cat", "Animal/Cat/Lion", "Animal/Dog", "Plant"]
    nodes = selectors.class_list(zoo)
    assert [node.depth for node in nodes] == [0, 1, 2, 1, 0]
    assert [node.key for node in nodes] == ["1", "2", "3", "4", "5"]
    assert [node.label_class.colour for node in nodes] == [*PALETTE[:4], "#00ff00"]
    assert [row.path for row in zoo.label_classes.all()] == paths(zoo), "the plain order is the order of the tree"


def test_the_tenth_class_has_no_key_and_hundreds_have_colours_of_their_own(people):
    project = make_project(people.workspace, classes=[f"class {number}" for number in range(300)], images=1)
    nodes = selectors.class_list(project)
    assert [node.key for node in nodes[7:11]] == ["8", "9", "", ""]
    assert len({node.label_class.colour for node in nodes}) > 290


def test_six_levels_and_no_more(people, zoo):
    deep: dict = {"name": "6"}
    for level in "54321":
        deep = {"name": level, "children": [deep]}
    label_classes.add_classes(actor=people.alice, project=zoo, classes=[deep])
    deepest = label_class(zoo, "1/2/3/4/5/6")
    with pytest.raises(errors.Invalid):
        label_classes.add_class(actor=people.alice, project=zoo, name="7", parent=deepest)
    with pytest.raises(errors.Invalid):
        label_classes.add_classes(actor=people.alice, project=zoo, classes=[{"name": "0", "children": [deep]}])
    assert zoo.label_classes.count() == 11


def test_reading_the_tree_is_one_query(zoo, django_assert_num_queries):
    with django_assert_num_queries(1):
        selectors.class_list(zoo)


# --- Adding ----------------------------------------------------------------------------------------------------------


def test_a_class_joins_as_the_last_below_its_parent(people, zoo):
    label_classes.add_class(actor=people.alice, project=zoo, name="Cow", parent=label_class(zoo, "Animal"))
    label_classes.add_class(actor=people.alice, project=zoo, name="Other")
    assert paths(zoo) == [
        *("Animal", "Animal/Cat", "Animal/Cat/Lion", "Animal/Dog", "Animal/Cow"),
        *("Plant", "Other"),
    ]
    assert [row.path for row in zoo.label_classes.order_by("position")] == paths(zoo)
    assert [row.position for row in zoo.label_classes.order_by("position")] == list(range(7))


@pytest.mark.parametrize("name", ["", " ", "a/b", "x" * 121, "a\nb", "\u202eevil"])
def test_names_that_are_refused(people, zoo, name):
    with pytest.raises(errors.Invalid):
        label_classes.add_class(actor=people.alice, project=zoo, name=name)
    with pytest.raises(errors.Invalid):
        label_classes.rename_class(actor=people.alice, label_class=label_class(zoo, "Plant"), name=name)
    assert len(paths(zoo)) == 5


@pytest.mark.parametrize("name", ["Cat", "cat", "  CAT ", "Ca\u0074"])
def test_siblings_have_different_names_whatever_their_case(people, zoo, name):
    animal = label_class(zoo, "Animal")
    with pytest.raises(errors.Conflict):
        label_classes.add_class(actor=people.alice, project=zoo, name=name, parent=animal)
    with pytest.raises(errors.Conflict):
        label_classes.rename_class(actor=people.alice, label_class=label_class(zoo, "Animal/Dog"), name=name)
    assert len(paths(zoo)) == 5
    label_classes.add_class(actor=people.alice, project=zoo, name=name)  # at the root there is none yet


def test_a_list_with_one_bad_class_adds_none(people, zoo):
    for bad in (
        {"name": "plant"},
        {"name": "New"},
        {"name": ""},
        {"colour": "#000000"},
        {"name": "X", "colour": "red"},
    ):
        with pytest.raises(errors.AppError):
            label_classes.add_classes(actor=people.alice, project=zoo, classes=[{"name": "New"}, bad])
    for bad in ("New", [["New"]], [{"name": "New", "children": "abc"}]):
        with pytest.raises(errors.Invalid):
            label_classes.add_classes(actor=people.alice, project=zoo, classes=bad)
    assert len(paths(zoo)) == 5
    assert [row.position for row in zoo.label_classes.all()] == [0, 1, 2, 3, 4]


def test_a_parent_of_another_project_does_not_exist_here(people, zoo):
    other = make_project(people.workspace, images=1)
    with pytest.raises(errors.NotFound):
        label_classes.add_class(actor=people.alice, project=zoo, name="X", parent=label_class(other, "cat"))
    assert len(paths(zoo)) == 5 and len(paths(other)) == 2


# --- Changing --------------------------------------------------------------------------------------------------------


def test_a_new_name_moves_the_paths_below_it_and_no_id(people, zoo):
    before = {row.pk for row in zoo.label_classes.all()}
    label_classes.rename_class(actor=people.alice, label_class=label_class(zoo, "Animal/Cat"), name="Feline")
    label_classes.rename_class(actor=people.alice, label_class=label_class(zoo, "Animal"), name="Fauna")
    assert paths(zoo) == ["Fauna", "Fauna/Feline", "Fauna/Feline/Lion", "Fauna/Dog", "Plant"]
    assert {row.pk for row in zoo.label_classes.all()} == before


def test_a_class_may_change_the_case_of_its_own_name(people, zoo):
    label_classes.rename_class(actor=people.alice, label_class=label_class(zoo, "Plant"), name="PLANT")
    assert paths(zoo)[-1] == "PLANT"


def test_colours_and_descriptions(people, zoo):
    plant = label_class(zoo, "Plant")
    assert label_classes.recolour_class(actor=people.alice, label_class=plant, colour="#ABCDEF").colour == "#abcdef"
    with pytest.raises(errors.Invalid):
        label_classes.recolour_class(actor=people.alice, label_class=plant, colour="red;background:url(x)")
    label_classes.describe_class(actor=people.alice, label_class=plant, description="Anything green")
    plant.refresh_from_db()
    assert (plant.colour, plant.description) == ("#abcdef", "Anything green")


def test_a_class_moves_with_all_below_it(people, zoo):
    cat, dog, plant = (label_class(zoo, path) for path in ("Animal/Cat", "Animal/Dog", "Plant"))
    label_classes.move_class(actor=people.alice, label_class=dog, before=cat)
    assert paths(zoo) == ["Animal", "Animal/Dog", "Animal/Cat", "Animal/Cat/Lion", "Plant"]
    label_classes.move_class(actor=people.alice, label_class=plant, before=label_class(zoo, "Animal"))
    assert paths(zoo)[0] == "Plant"
    label_classes.move_class(actor=people.alice, label_class=plant)
    label_classes.move_class(actor=people.alice, label_class=dog)
    assert paths(zoo) == ["Animal", "Animal/Cat", "Animal/Cat/Lion", "Animal/Dog", "Plant"]
    with pytest.raises(errors.Invalid):
        label_classes.move_class(actor=people.alice, label_class=plant, before=dog)
    assert paths(zoo)[-1] == "Plant"


# --- Retiring --------------------------------------------------------------------------------------------------------


def test_a_retired_class_leaves_the_choice_with_all_below_it_and_comes_back(people, zoo):
    lion, animal = label_class(zoo, "Animal/Cat/Lion"), label_class(zoo, "Animal")
    label_classes.retire_class(actor=people.alice, label_class=lion)
    label_classes.retire_class(actor=people.alice, label_class=animal)
    assert paths(zoo) == ["Plant"]
    assert len(paths(zoo, include_retired=True)) == 5, "old labels stay readable"
    with pytest.raises(errors.Conflict):
        label_classes.restore_class(actor=people.alice, label_class=lion)
    with pytest.raises(errors.Conflict):
        label_classes.add_class(actor=people.alice, project=zoo, name="Cow", parent=animal)
    label_classes.restore_class(actor=people.alice, label_class=animal)
    assert paths(zoo) == ["Animal", "Animal/Cat", "Animal/Dog", "Plant"], "the lion was retired on its own"
    label_classes.restore_class(actor=people.alice, label_class=lion)
    assert len(paths(zoo)) == 5


def test_the_last_class_stays(people, zoo):
    label_classes.retire_class(actor=people.alice, label_class=label_class(zoo, "Animal"))
    with pytest.raises(errors.Conflict):
        label_classes.retire_class(actor=people.alice, label_class=label_class(zoo, "Plant"))
    assert paths(zoo) == ["Plant"]


def test_a_retired_name_is_restored_not_made_again(people, zoo):
    label_classes.retire_class(actor=people.alice, label_class=label_class(zoo, "Plant"))
    with pytest.raises(errors.Conflict) as refusal:
        label_classes.add_class(actor=people.alice, project=zoo, name="Plant")
    assert "restore" in str(refusal.value)
    assert LabelClass.objects.filter(project=zoo).count() == 5


def test_merges_are_followed_even_in_a_circle(zoo):
    cat, dog, lion = (label_class(zoo, path) for path in ("Animal/Cat", "Animal/Dog", "Animal/Cat/Lion"))
    LabelClass.objects.filter(pk=lion.pk).update(merged_into=cat)
    LabelClass.objects.filter(pk=cat.pk).update(merged_into=dog)
    resolved = label_classes.resolved_ids(zoo.pk)
    assert resolved[lion.pk] == resolved[cat.pk] == resolved[dog.pk] == dog.pk
    assert paths(zoo) == ["Animal", "Animal/Dog", "Plant"]
    LabelClass.objects.filter(pk=dog.pk).update(merged_into=lion)
    assert set(label_classes.resolved_ids(zoo.pk)) == {row.pk for row in zoo.label_classes.all()}


# --- Who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["labeler", "team_lead", "vendor_admin", "customer_qa", "vendor_qa", None])
def test_who_may_not_write_projects_changes_no_class(people, zoo, key):
    """None is a stranger who owns another workspace."""
    plant, before = label_class(zoo, "Plant"), counters.read(zoo.pk)
    if key:
        person, refusal = add_member(people.workspace, key, name="Dora"), errors.Forbidden
    else:
        make_workspace(people.charlie)
        person, refusal = people.charlie, errors.NotFound
    for change in (
        lambda: label_classes.add_class(actor=person, project=zoo, name="Mine"),
        lambda: label_classes.rename_class(actor=person, label_class=plant, name="Mine"),
        lambda: label_classes.recolour_class(actor=person, label_class=plant, colour="#000000"),
        lambda: label_classes.describe_class(actor=person, label_class=plant, description="Mine"),
        lambda: label_classes.move_class(actor=person, label_class=plant),
        lambda: label_classes.retire_class(actor=person, label_class=plant),
        lambda: label_classes.restore_class(actor=person, label_class=plant),
    ):
        with pytest.raises(refusal):
            change()
    plant.refresh_from_db()
    assert (plant.name, plant.colour, plant.description, plant.retired_at) == ("Plant", "#00ff00", "", None)
    assert len(paths(zoo)) == 5 and counters.read(zoo.pk) == before


def test_each_change_is_told(people, zoo):
    before = counters.read(zoo.pk)["version"]
    label_classes.recolour_class(actor=people.alice, label_class=label_class(zoo, "Plant"), colour="#000000")
    assert counters.read(zoo.pk)["version"] == before + 1
