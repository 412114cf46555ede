from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "labeling_site.core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        from labeling_site import checks  # noqa: F401  registers the system checks
