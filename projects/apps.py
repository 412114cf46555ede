from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProjectsConfig(AppConfig):
    name = "projects"
    verbose_name = _("Projects")

    def ready(self) -> None:
        from projects import actors  # noqa: F401  registers the kinds of jobs
        from projects.services.counters import register_versions

        register_versions()
