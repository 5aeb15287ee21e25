"""The vendor's two samples of service files, as its guide has them, and smaller ones of ours."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DATA = "/code/stable-diffusion-webui/data"
USUAL = (
    "./webui.sh --listen --port 8000 --skip-version-check --no-hashing --no-download-sd-model "
    "--skip-prepare-environment "
)
IMAGE = "eas-registry-vpc.<region>.cr.aliyuncs.com/pai-eas/stable-diffusion-webui:4.2"


def cloud(vpc: str, switch: str, group: str) -> dict[str, Any]:
    """Where the vendor would run it."""
    return {
        "computing": {"instance_type": "ml.gu7i.c16m60.1-gu30", "instances": None},
        "networking": {"vpc_id": vpc, "vswitch_id": switch, "security_group_id": group},
    }


def storage(bucket: str, server: str) -> list[dict[str, Any]]:
    """Two alternatives with one mount path."""
    properties = {"resource_type": "model"}
    oss = {"path": bucket, "readOnly": False}
    nfs = {"path": "/", "server": server}
    return [
        {"oss": oss, "properties": properties, "mount_path": DATA},
        {"nfs": nfs, "properties": properties, "mount_path": DATA},
    ]


STANDARD: Mapping[str, Any] = {
    "metadata": {"instance": 1, "name": "sd_v32", "enable_webservice": True},
    "containers": [
        {
            "image": IMAGE,
            "script": f"{USUAL}--api --filebrowser --data-dir={DATA}",
            "port": 8000,
        }
    ],
    "cloud": cloud(
        "vpc-t4nmd6nebhlwwexk2****", "vsw-t4nfue2s10q2i0ae3****", "sg-t4n85ksesuiq3wez****"
    ),
    "storage": storage(
        "oss://examplebucket/data-oss", "726434****-aws0.ap-southeast-1.nas.aliyuncs.com"
    ),
}  # fmt: skip
ASYNC: Mapping[str, Any] = {
    "metadata": {"name": "sd_async", "instance": 1, "rpc.worker_threads": 1, "type": "Async"},
    "cloud": cloud(
        "vpc-bp1t2wukzskw9139n****", "vsw-bp12utkudylvp4c70****", "sg-bp11nqxfd0iq6v5g****"
    ),
    "queue": {"cpu": 1, "max_delivery": 1, "memory": 4000, "resource": ""},
    "storage": storage(
        "oss://examplebucket/aohai-singapore/", "0c9624****-fgh60.cn-hangzhou.nas.aliyuncs.com"
    ),
    "containers": [
        {
            "image": IMAGE,
            "script": f"{USUAL}--api-log --time-log --nowebui --data-dir={DATA}",
            "port": 8000,
        }
    ],
}  # fmt: skip


def small(script: str = "./webui.sh", **parts: Any) -> dict[str, Any]:
    """A file with little in it; ``parts`` replace its objects."""
    return {"metadata": {"name": "small"}, "containers": [{"script": script}], **parts}


def write(folder: Path, content: Mapping[str, Any]) -> Path:
    """A file of this content."""
    file = folder / "service.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file
