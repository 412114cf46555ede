"""How a bundle runs in a container and in a cluster: Dockerfile, Kubernetes manifests, KServe."""

from __future__ import annotations

import re
from typing import Any

import yaml

from automl.vision.serving.limits import PREFIX

from .mlflow import PYTHON

PORT = 8080
USER = 10001

DOCKERFILE = f"""\
# docker build -t @NAME@:@VERSION@ .
# docker run --read-only --tmpfs /tmp -p {PORT}:{PORT} -e {PREFIX}KEYS=... @NAME@:@VERSION@
# Wheels in wheelhouse/ are used, and then nothing is fetched; without any, pip asks its index.
FROM python:{PYTHON}-slim AS packages
COPY requirements.txt /build/requirements.txt
COPY wheelhouse/ /build/wheelhouse/
RUN python -m venv /venv \\
    && if ls /build/wheelhouse/*.whl >/dev/null 2>&1; then \\
         /venv/bin/pip install --no-cache-dir --no-index --find-links /build/wheelhouse -r /build/requirements.txt; \\
       else \\
         /venv/bin/pip install --no-cache-dir -r /build/requirements.txt; \\
       fi \\
    && /venv/bin/pip uninstall --yes pip

FROM python:{PYTHON}-slim
RUN useradd --uid {USER} --no-create-home --shell /usr/sbin/nologin model
COPY --from=packages /venv /venv
COPY . /bundle
WORKDIR /bundle
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER {USER}
EXPOSE {PORT}
HEALTHCHECK --start-period=60s CMD ["python", "-c", \\
    "import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/v2/health/ready', timeout=3)"]
ENTRYPOINT ["python", "serve.py"]
CMD ["--host", "0.0.0.0"]
"""
DOCKERIGNORE = "artifacts/model.safetensors\nDockerfile\nk8s\nkserve.yaml\n"
WHEELHOUSE = """\
Wheels that the Dockerfile installs instead of asking an index:

    pip download --only-binary :all: -r requirements.txt -d wheelhouse

`python -m automl.vision package --wheelhouse FOLDER` puts them here and their hashes into requirements.txt.
"""


def dockerfile(name: str, version: str) -> str:
    return DOCKERFILE.replace("@NAME@", resource_name(name)).replace("@VERSION@", version)


def resource_name(name: str) -> str:
    """The name as Kubernetes and registries take it: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-") or "model"


def manifests(name: str, version: str, model_bytes: int) -> dict[str, str]:
    """k8s/*.yaml by path. `model_bytes` decides how much memory is asked for."""
    told = _Told(resource_name(name), version, memory(model_bytes))
    files = {
        "k8s/deployment.yaml": (told.deployment(), told.hint),
        "k8s/service.yaml": (told.service(), ""),
        "k8s/hpa.yaml": (told.autoscaler(), ""),
        "k8s/pdb.yaml": (told.disruption_budget(), ""),
        "kserve.yaml": (told.kserve(), "# KServe: the gateway in front checks who asks.\n"),
    }
    return {path: hint + yaml.safe_dump(value, sort_keys=False) for path, (value, hint) in files.items()}


def memory(model_bytes: int) -> int:
    """Mebibytes for a server of a model of that size: interpreter and libraries, weights as file and as loaded, and
    room for batches."""
    return -(-(600 + 3 * model_bytes // 2**20) // 64) * 64


class _Told:
    def __init__(self, name: str, version: str, memory: int) -> None:
        self.name, self.version, self.memory = name, version, memory
        self.labels = {"app.kubernetes.io/name": name}
        self.image = f"registry.example.org/{name}:{version}"
        self.hint = (
            f"# Put your registry's address for {self.image}, and make the keys first:\n"
            f"#   kubectl create secret generic {name}-keys --from-file=keys   (one key a line)\n"
        )

    def _about(self, **more: Any) -> dict[str, Any]:
        return {"name": self.name, "labels": {**self.labels, "app.kubernetes.io/version": self.version}, **more}

    def deployment(self) -> dict[str, Any]:
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self._about(),
            "spec": {
                "selector": {"matchLabels": self.labels},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "template": {
                    "metadata": {"labels": {**self.labels, "app.kubernetes.io/version": self.version}},
                    "spec": {
                        "automountServiceAccountToken": False,
                        "securityContext": {
                            "runAsNonRoot": True,
                            "runAsUser": USER,
                            "runAsGroup": USER,
                            "fsGroup": USER,
                            "seccompProfile": {"type": "RuntimeDefault"},
                        },
                        "terminationGracePeriodSeconds": 45,
                        "containers": [self._container()],
                        "volumes": [
                            {"name": "keys", "secret": {"secretName": f"{self.name}-keys", "defaultMode": 0o440}},
                            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
                        ],
                    },
                },
            },
        }

    def _container(self) -> dict[str, Any]:
        return {
            "name": "model",
            "image": self.image,
            "args": ["--host", "0.0.0.0"],  # noqa: S104  inside a pod
            "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
            "env": [{"name": f"{PREFIX}KEYS_FILE", "value": "/etc/tessera/keys"}, *_room("model")],
            "resources": self._resources(),
            "startupProbe": _probe("/v2/health/ready", periodSeconds=1, failureThreshold=120),
            "readinessProbe": _probe("/v2/health/ready", periodSeconds=5, failureThreshold=2),
            "livenessProbe": _probe("/v2/health/live", periodSeconds=10, failureThreshold=3),
            # While the addresses of this pod are taken out of service, it still answers.
            "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [
                {"name": "keys", "mountPath": "/etc/tessera", "readOnly": True},
                {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  a volume of the pod's own
            ],
        }

    def _resources(self) -> dict[str, Any]:
        return {
            "requests": {"cpu": "1", "memory": f"{self.memory}Mi"},
            "limits": {"cpu": "2", "memory": f"{2 * self.memory}Mi"},
        }

    def service(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self._about(),
            "spec": {
                "selector": self.labels,
                "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
            },
        }

    def autoscaler(self) -> dict[str, Any]:
        target = {"type": "Utilization", "averageUtilization": 70}
        return {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": self._about(),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name},
                "minReplicas": 2,
                "maxReplicas": 10,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            },
        }

    def disruption_budget(self) -> dict[str, Any]:
        return {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": self._about(),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": self.labels}},
        }

    def kserve(self) -> dict[str, Any]:
        container = self._container()
        container["name"] = "kserve-container"
        container["args"] = ["--host", "0.0.0.0", "--without-keys"]  # noqa: S104  inside a pod
        container["env"] = _room("kserve-container")
        container["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108  a volume of the pod's own
        container["ports"] = [{"containerPort": PORT, "protocol": "TCP"}]
        for unused in ("lifecycle", "startupProbe", "livenessProbe", "readinessProbe"):
            container.pop(unused)
        container["readinessProbe"] = {
            "httpGet": {"path": "/v2/health/ready", "port": PORT},
            "periodSeconds": 5,
            "timeoutSeconds": 3,
        }
        return {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": self._about(),
            "spec": {
                "predictor": {
                    "minReplicas": 1,
                    "containers": [container],
                    "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}],
                }
            },
        }


def _room(container: str) -> list[dict[str, Any]]:
    """As many threads as the pod may use (the machine shows it all of its own), and no more in hand than its memory
    holds: two images of 32 million pixels being decoded, and 128 MB of requests."""
    source = {"containerName": container, "resource": "limits.cpu", "divisor": "1"}
    return [
        {"name": f"{PREFIX}CORES", "valueFrom": {"resourceFieldRef": source}},
        {"name": f"{PREFIX}MAX_MEGAPIXELS", "value": "32"},
        {"name": f"{PREFIX}QUEUE_MB", "value": "128"},
    ]


def _probe(path: str, **timing: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 3, **timing}
