"""Addresses of the pages of this app."""

from django.urls import path

from projects.pages import accounts, datasets, datastores, media, projects, wizard, workspaces

urlpatterns = [
    path("items/<int:item_id>/image/", media.item_image, name="item-image"),
    path("items/<int:item_id>/samples/", media.item_samples, name="item-samples"),
    path("items/<int:item_id>/tiles/<int:level>/<int:column>/<int:row>/", media.item_tile, name="item-tile"),
    path("", projects.home, name="home"),
    # People
    path("setup/<str:token>/", accounts.setup, name="setup"),
    path("sign-in/", accounts.sign_in, name="sign-in"),
    path("sign-out/", accounts.sign_out, name="sign-out"),
    path("invitations/<str:token>/", accounts.invitation, name="invitation"),
    path("account/", accounts.account, name="account"),
    path("account/password/", accounts.change_password, name="account-password"),
    path("account/keys/", accounts.create_api_key, name="api-key-create"),
    path("account/keys/<int:key_id>/revoke/", accounts.revoke_api_key, name="api-key-revoke"),
    # Workspaces
    path("workspace/members/", workspaces.members, name="workspace-members"),
    path("workspace/members/<int:membership_id>/role/", workspaces.change_role, name="member-role"),
    path("workspace/members/<int:membership_id>/remove/", workspaces.remove_member, name="member-remove"),
    path("workspace/invitations/<int:invitation_id>/revoke/", workspaces.revoke_invitation, name="invitation-revoke"),
    path("workspace/settings/", workspaces.settings, name="workspace-settings"),
    path("workspace/delete/", workspaces.delete, name="workspace-delete"),
    path("workspace/new/", workspaces.create, name="workspace-new"),
    path("workspace/switch/", workspaces.switch, name="workspace-switch"),
    # Files
    path("datastores/", datastores.datastore_list, name="datastores"),
    path("datastores/<int:datastore_id>/delete/", datastores.delete, name="datastore-delete"),
    path("datastores/<int:datastore_id>/preview/", datastores.preview, name="datastore-preview"),
    path("datasets/", datasets.dataset_list, name="datasets"),
    path("datasets/new/", datasets.new_dataset, name="dataset-new"),
    path("datasets/<int:dataset_id>/", datasets.dataset_page, name="dataset"),
    path("datasets/<int:dataset_id>/panel/", datasets.dataset_panel, name="dataset-panel"),
    path("datasets/<int:dataset_id>/upload-counts/", datasets.counts, name="dataset-upload-counts"),
    path("datasets/<int:dataset_id>/scan/", datasets.scan, name="dataset-scan"),
    path("datasets/<int:dataset_id>/delete/", datasets.delete, name="dataset-delete"),
    # Projects
    path("projects/", projects.project_list, name="projects"),
    path("projects/panel/", projects.project_list_panel, name="projects-panel"),
    path("projects/command/", projects.command, name="projects-command"),
    path("projects/sample/", projects.make_sample, name="sample-project"),
    path("projects/new/", wizard.new_project, name="project-new"),
    path("projects/<int:project_id>/favourite/", projects.favourite, name="project-favourite"),
]
