"""The one form of the creation wizard: eight steps, and which fields belong to which."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from projects.models import Dataset, Datastore, TaskType, User, Workspace
from projects.models.label_class import name_key

EXISTING, DATASTORE, UPLOAD = "existing", "datastore", "upload"
MAX_CLASSES_BYTES = 2_000_000


@dataclass(frozen=True)
class Step:
    """A step of the wizard; `is_optional` is told to people, nothing more."""

    key: str
    label: Any
    fields: tuple[str, ...]
    is_optional: bool = False


STEPS = [
    Step("details", gettext_lazy("Project details"), ("name", "description", "task_type")),
    Step("workforce", gettext_lazy("Add workforce"), ("use_vendor", "vendor"), is_optional=True),
    Step(
        "data",
        gettext_lazy("Data"),
        ("source", "dataset", "dataset_name", "datastore", "path", "upload_name", "uploaded_dataset"),
    ),
    Step("refresh", gettext_lazy("Incremental refresh"), ("refresh_enabled",), is_optional=True),
    Step("classes", gettext_lazy("Label classes"), ("classes", "classes_text")),
    Step("instructions", gettext_lazy("Labeling instructions"), ("instructions_url", "instructions"), is_optional=True),
    Step(
        "quality",
        gettext_lazy("Quality control"),
        ("consensus", "min_labelers", "max_labelers"),
        is_optional=True,
    ),
    Step(
        "assist",
        gettext_lazy("ML assisted labeling"),
        ("assist_enabled", "target_precision", "mode"),
        is_optional=True,
    ),
]


class DatasetChoice(forms.ModelChoiceField):
    """Says beside the name how many items the newest version holds."""

    def label_from_instance(self, obj: Dataset) -> str:
        versions = list(obj.versions.all())
        newest = max(versions, key=lambda version: version.number, default=None)
        if newest is None:
            return f"{obj.name} ({_('not read yet')})"
        return f"{obj.name} ({newest.item_count:,} {_('items')})"


class WizardForm(forms.Form):
    """Reads what was entered; what it means is checked by the services."""

    name = forms.CharField(label=gettext_lazy("Project name"), max_length=120)
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    task_type = forms.ChoiceField(
        label=gettext_lazy("Task type"),
        choices=TaskType.choices,
        widget=forms.RadioSelect,
        initial=TaskType.MULTI_CLASS,
    )

    use_vendor = forms.BooleanField(
        label=gettext_lazy("People of a labeling company work on this project"), required=False
    )
    vendor = forms.CharField(label=gettext_lazy("Name of the company"), required=False, max_length=120)

    source = forms.ChoiceField(
        label=gettext_lazy("Where are the images?"),
        widget=forms.RadioSelect,
        initial=EXISTING,
        choices=[
            (EXISTING, gettext_lazy("A dataset of this workspace")),
            (DATASTORE, gettext_lazy("A folder in a datastore")),
            (UPLOAD, gettext_lazy("On my computer")),
        ],
    )
    dataset = DatasetChoice(label=gettext_lazy("Dataset"), required=False, queryset=Dataset.objects.none())
    dataset_name = forms.CharField(label=gettext_lazy("Name of the new dataset"), required=False, max_length=120)
    datastore = forms.ModelChoiceField(
        label=gettext_lazy("Datastore"), required=False, queryset=Datastore.objects.none()
    )
    path = forms.CharField(
        label=gettext_lazy("Path"),
        required=False,
        max_length=1000,
        widget=forms.TextInput(attrs={"placeholder": "photos/**", "class": "mono", "autocapitalize": "off"}),
    )
    upload_name = forms.CharField(label=gettext_lazy("Name of the new dataset"), required=False, max_length=120)
    uploaded_dataset = forms.ModelChoiceField(required=False, queryset=Dataset.objects.none(), widget=forms.HiddenInput)

    refresh_enabled = forms.BooleanField(label=gettext_lazy("Look for new files at regular intervals"), required=False)

    classes = forms.CharField(required=False, strip=False)
    classes_text = forms.CharField(required=False, strip=False)

    instructions_url = forms.URLField(
        label=gettext_lazy("Address of a page with further instructions"),
        required=False,
        max_length=500,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
    )
    instructions = forms.CharField(
        label=gettext_lazy("Instructions"), required=False, widget=forms.Textarea(attrs={"rows": 8})
    )

    consensus = forms.BooleanField(label=gettext_lazy("Several people label each image"), required=False)
    min_labelers = forms.IntegerField(
        label=gettext_lazy("At least"), required=False, min_value=2, max_value=20, initial=2
    )
    max_labelers = forms.IntegerField(
        label=gettext_lazy("At most"), required=False, min_value=2, max_value=20, initial=3
    )

    assist_enabled = forms.BooleanField(label=gettext_lazy("Let a model suggest labels"), required=False)
    target_precision = forms.IntegerField(
        label=gettext_lazy("Suggest only where at least this many of 100 suggestions are right"),
        required=False,
        min_value=50,
        max_value=99,
        initial=90,
    )
    mode = forms.ChoiceField(
        label=gettext_lazy("What becomes of a suggestion"),
        required=False,
        initial="suggest",
        choices=[
            ("suggest", gettext_lazy("A person confirms each")),
            ("auto_accept", gettext_lazy("The surest are accepted, once proven on a random sample")),
        ],
    )

    def __init__(self, *args: Any, user: User, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        datasets = Dataset.objects.visible_to(user).filter(workspace=workspace, deleted_at=None)
        datasets = datasets.prefetch_related("versions")
        for name in ("dataset", "uploaded_dataset"):
            self.fields[name].queryset = datasets  # type: ignore[attr-defined]
        stores = Datastore.objects.visible_to(user).filter(workspace=workspace, kind=Datastore.Kind.LOCAL)
        self.fields["datastore"].queryset = stores  # type: ignore[attr-defined]
        if not datasets.exists() and "source" not in self.initial:
            self.initial["source"] = DATASTORE if stores.exists() else UPLOAD

    def clean_classes(self) -> list[dict[str, Any]]:
        """The tree as the page sent it, or, without JavaScript, as lines."""
        text = self.cleaned_data["classes"]
        if len(text) > MAX_CLASSES_BYTES:
            raise forms.ValidationError(_("This list of classes is too long."))
        if not text.strip():
            return parse_lines(self.data.get("classes_text", "")[:MAX_CLASSES_BYTES])
        try:
            tree = json.loads(text)
        except ValueError:
            raise forms.ValidationError(_("The classes could not be read; send them again.")) from None
        return _checked(tree)

    def clean(self) -> dict[str, Any]:
        """Asks for what the chosen source needs."""
        data = super().clean() or self.cleaned_data
        needed = {
            EXISTING: [("dataset", _("Choose a dataset."))],
            DATASTORE: [
                ("datastore", _("Choose a datastore.")),
                ("dataset_name", _("Give the dataset a name.")),
            ],
            UPLOAD: [("uploaded_dataset", _("Upload some images first."))],
        }
        for field, sentence in needed.get(data.get("source", ""), []):
            if not data.get(field) and field not in self.errors:
                # People see the drop zone, not the hidden field behind it.
                self.add_error("upload_name" if field == "uploaded_dataset" else field, sentence)
        if data.get("use_vendor") and not data.get("vendor"):
            self.add_error("vendor", _("Say which company, or leave the switch off."))
        if data.get("consensus"):
            least, most = data.get("min_labelers") or 2, data.get("max_labelers") or 3
            if most < least and "max_labelers" not in self.errors:
                self.add_error("max_labelers", _("This is less than the number of people asked at least."))
        return data


def parse_lines(text: str) -> list[dict[str, Any]]:
    """Classes from lines: indented by two spaces or a tab for each level, or written as a path a/b/c.

    The same rules as in static/js/class-lines.js; a class named twice under one parent is one class.
    """
    roots: list[dict[str, Any]] = []
    above: list[tuple[int, dict[str, Any]]] = []
    for line in text.splitlines():
        names = [part.strip() for part in line.split("/") if part.strip()]
        if not names:
            continue
        lead = line[: len(line) - len(line.lstrip(" \t"))]
        indent = len(lead.replace("\t", "  "))
        while above and above[-1][0] >= indent:
            above.pop()
        node = above[-1][1] if above else None
        for name in names:
            siblings = node["children"] if node else roots
            known = next((one for one in siblings if name_key(one["name"]) == name_key(name)), None)
            if known is None:
                known = {"name": name, "colour": "", "children": []}
                siblings.append(known)
            node = known
        if node is not None:
            above.append((indent, node))
    return roots


def _checked(tree: Any, depth: int = 1) -> list[dict[str, Any]]:
    """The same tree with nothing in it but names, colours and children. How deep it may be is the service's to say."""
    if not isinstance(tree, list) or depth > 20:
        raise forms.ValidationError(_("The classes could not be read; send them again."))
    nodes = []
    for node in tree:
        if not isinstance(node, dict) or not isinstance(node.get("name"), str):
            raise forms.ValidationError(_("The classes could not be read; send them again."))
        colour = node.get("colour") or ""
        nodes.append(
            {
                "name": node["name"],
                "colour": colour if isinstance(colour, str) else "",
                "children": _checked(node.get("children") or [], depth + 1),
            }
        )
    return nodes
