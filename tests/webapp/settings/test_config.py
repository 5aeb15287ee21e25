"""Flags: the table, the vendor's lines, the environment, errors that help."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from webapp.documentation import PAGES
from webapp.settings.config import Config, UnknownFlag, parse
from webapp.settings.flags import FLAGS

VENDOR = (
    "--listen --port 8000 --skip-version-check --no-hashing --no-download-sd-model "
    "--skip-prepare-environment --api --filebrowser --data-dir=/code/stable-diffusion-webui/data"
)


def test_vendors_line_starts_unchanged() -> None:
    config = parse(VENDOR.split(), {})
    assert (config.host, config.port, config.hashing) == ("0.0.0.0", 8000, False)
    assert config.data_dir == Path("/code/stable-diffusion-webui/data")
    assert config.filebrowser
    assert "--skip-version-check" in config.ignored


def test_vendors_api_line_has_no_page() -> None:
    config = parse([*VENDOR.split(), "--api-log", "--time-log", "--nowebui"], {})
    assert config.api_log
    assert config.time_log
    assert not config.web_ui


def test_every_flag_of_a1111_is_known(goldens: Path) -> None:
    recorded = json.loads((goldens / "get" / "cmd-flags.json").read_text())
    known = {name for flag in FLAGS for name in (flag.name, *flag.aliases)}
    missing = {name.replace("_", "-") for name in recorded} - known
    assert missing == set()


def test_table_and_config_agree() -> None:
    working = {flag.field for flag in FLAGS if flag.is_supported}
    assert working <= {field.name for field in fields(Config)}
    names = [name for flag in FLAGS for name in (flag.name, *flag.aliases)]
    assert len(names) == len(set(names))


def test_figures_of_callers_repeat_and_the_last_one_counts() -> None:
    words = ["--gpu-share=ann=2.5", "--gpu-share=user=1", "--gpu-share=ann=3"]
    config = parse([*words, "--max-queued-jobs-of=generate=20"], {})
    assert config.gpu_shares == (("ann", 3.0), ("user", 1.0))
    assert config.max_queued_jobs_of == (("generate", 20),)


def test_unknown_flag_names_the_nearest() -> None:
    with pytest.raises(UnknownFlag, match=r"--prot.*--port"):
        parse(["--prot", "7860"], {})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--port", "banana"], "whole number"),
        (["--port", "0"], "1 to 65535"),
        (["--port", "70000"], "1 to 65535"),
        (["--port"], "expected one argument"),
        (["--watch", "sometimes"], "inotify"),
        (["--device", "tpu"], "cuda:N"),
        (["--device", "cuda:x"], "cuda:N"),
        (["--api-auth", "nobody"], "user:password"),
        (["--gpu-share", "ann"], "WHO=NUMBER"),
        (["--gpu-share", "ann=0"], "0.01 to 100 for ann"),
        (["--max-queued-jobs-of", "ann=1.5"], "whole number for ann"),
        (["--max-queued-jobs-of", "user=0"], "1 to"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(UnknownFlag, match=sentence):
        parse(words, {})


def test_environment_mirrors_flags_and_the_command_line_wins(tmp_path: Path) -> None:
    environ = {
        "EASEL_DATA_DIR": str(tmp_path),
        "EASEL_NO_HASHING": "1",
        "EASEL_API_LOG": "0",
        "EASEL_PORT": "9000",
        "COMMANDLINE_ARGS": "--port 9001 --time-log",
    }
    config = parse(["--port", "9002"], environ)
    assert config.data_dir == tmp_path
    assert config.port == 9002
    assert parse([], environ).port == 9001
    assert config.time_log
    assert not config.api_log
    assert not config.hashing


def test_passwords_may_hold_colons() -> None:
    assert parse(["--api-auth", "ann:a:b,bob:c"], {}).api_auth == (("ann", "a:b"), ("bob", "c"))


def test_several_gpus() -> None:
    assert parse(["--device", "cuda:0,cuda:1"], {}).device == "cuda:0,cuda:1"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_made_pages_are_current(name: str) -> None:
    written = (Path(__file__).parents[3] / "docs" / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "run make docs"


def test_ckpt_may_be_a_path() -> None:
    config = parse(["--ckpt", "/models/deliberate_v2.safetensors"], {})
    assert config.options == {"sd_model_checkpoint": "deliberate_v2.safetensors"}
    assert parse([], {}).options == {"sd_model_checkpoint": None}
