"""Addresses of the pages of this app."""

from django.urls import path

from annotations.pages import classes, comments, dashboard, data_tab, details, entry, exports, labeling

urlpatterns = [
    # Dashboard
    path("projects/<int:project_id>/", dashboard.dashboard, name="project"),
    path("projects/<int:project_id>/panel/", dashboard.dashboard_panel, name="project-dashboard-panel"),
    path("projects/<int:project_id>/head/", dashboard.project_head, name="project-head"),
    path("projects/<int:project_id>/state/", dashboard.change_state, name="project-state"),
    # Labeling
    path("projects/<int:project_id>/label/", labeling.label, name="project-label"),
    path("projects/<int:project_id>/instructions/", labeling.instructions, name="project-instructions"),
    # Data
    path("projects/<int:project_id>/data/", data_tab.data_tab, name="project-data"),
    path("projects/<int:project_id>/data/news/", data_tab.data_news, name="project-data-news"),
    path("projects/<int:project_id>/data/review/", data_tab.review, name="project-review"),
    path("projects/<int:project_id>/data/<int:entry_id>/", entry.entry_page, name="project-entry"),
    path("projects/<int:project_id>/data/<int:entry_id>/correct/", entry.correct_entry, name="project-entry-correct"),
    path("projects/<int:project_id>/data/<int:entry_id>/comments/", comments.write, name="project-entry-comment"),
    path(
        "projects/<int:project_id>/data/<int:entry_id>/comments/<int:comment_id>/",
        comments.change,
        name="project-comment-change",
    ),
    path("projects/<int:project_id>/data/<int:entry_id>/example/", classes.add_example, name="project-example-add"),
    # Details
    path("projects/<int:project_id>/details/", details.details, name="project-details"),
    path("projects/<int:project_id>/details/classes/add/", classes.add, name="project-classes-add"),
    path("projects/<int:project_id>/details/classes/<int:class_id>/", classes.change, name="project-class-change"),
    path(
        "projects/<int:project_id>/details/examples/<int:example_id>/remove/",
        classes.remove_example,
        name="project-example-remove",
    ),
    path("projects/<int:project_id>/details/<slug:section>/", details.details, name="project-details-section"),
    path("projects/<int:project_id>/delete/", details.delete, name="project-delete"),
    # Exports
    path("projects/<int:project_id>/exports/", exports.exports, name="project-exports"),
    path("projects/<int:project_id>/exports/panel/", exports.exports_panel, name="project-exports-panel"),
    path("projects/<int:project_id>/exports/<int:export_id>/", exports.change_export, name="project-export-change"),
    path("exports/<str:token>/", exports.download, name="export-download"),
]
