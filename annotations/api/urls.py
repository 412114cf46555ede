"""Addresses of the annotations API, below /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from annotations.api import assignments, comments, entries, exports, prelabels, tasks

router = SimpleRouter()
router.register(r"projects/(?P<project_pk>\d+)/tasks", tasks.ProjectTaskViewSet, "api-project-task")
router.register(r"projects/(?P<project_pk>\d+)/entries", entries.ProjectEntryViewSet, "api-project-entry")
router.register(r"projects/(?P<project_pk>\d+)/exports", exports.ProjectExportViewSet, "api-project-export")
router.register(
    r"projects/(?P<project_pk>\d+)/assignments", assignments.ProjectAssignmentViewSet, "api-project-assignment"
)
router.register(r"projects/(?P<project_pk>\d+)/prelabels", prelabels.ProjectPrelabelViewSet, "api-project-prelabel")
router.register(r"projects/(?P<project_pk>\d+)/comments", comments.ProjectCommentViewSet, "api-project-comment")
router.register(r"entries/(?P<entry_pk>\d+)/comments", comments.EntryCommentViewSet, "api-entry-comment")
router.register("comments", comments.CommentViewSet, "api-comment")
router.register("assignments", assignments.AssignmentViewSet, "api-assignment")
router.register("tasks", tasks.TaskViewSet, "api-task")
router.register("entries", entries.EntryViewSet, "api-entry")
router.register("exports", exports.ExportViewSet, "api-export")

urlpatterns = [
    *router.urls,
    path(
        "projects/<int:project_pk>/dashboard/",
        exports.DashboardViewSet.as_view({"get": "retrieve"}),
        name="api-project-dashboard",
    ),
]
