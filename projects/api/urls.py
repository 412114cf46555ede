"""Addresses of the projects API, below /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from projects.api import class_examples, datasets, jobs, projects, workspaces

router = SimpleRouter()
router.register("workspaces", workspaces.WorkspaceViewSet, "api-workspace")
router.register(r"workspaces/(?P<workspace_pk>\d+)/members", workspaces.MemberViewSet, "api-member")
router.register(r"workspaces/(?P<workspace_pk>\d+)/invitations", workspaces.InvitationViewSet, "api-invitation")
router.register(r"workspaces/(?P<workspace_pk>\d+)/api-keys", workspaces.ApiKeyViewSet, "api-key")
router.register("invitations", workspaces.AcceptInvitationViewSet, "api-accept-invitation")
router.register("datastores", datasets.DatastoreViewSet, "api-datastore")
router.register("datasets", datasets.DatasetViewSet, "api-dataset")
router.register("uploads", datasets.UploadViewSet, "api-upload")
router.register("items", datasets.ItemViewSet, "api-item")
router.register("projects", projects.ProjectViewSet, "api-project")
router.register(r"projects/(?P<project_pk>\d+)/label-classes", projects.ProjectClassViewSet, "api-project-class")
router.register("label-classes", projects.ClassViewSet, "api-class")
router.register(r"label-classes/(?P<class_pk>\d+)/examples", class_examples.ClassExampleViewSet, "api-class-example")
router.register("class-examples", class_examples.ExampleViewSet, "api-example")
router.register("jobs", jobs.JobViewSet, "api-job")

urlpatterns = [
    path("me/", workspaces.MeViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="api-me"),
    path("me/password/", workspaces.MeViewSet.as_view({"post": "password"}), name="api-me-password"),
    *router.urls,
]
