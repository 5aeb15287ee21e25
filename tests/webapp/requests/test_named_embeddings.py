"""The learned words that a request names go with its job, so that one lost meanwhile is told."""

from typing import Any

from tests.webapp.conftest import write_tensors

SMALL = {"steps": 1, "width": 64, "height": 64}
NAMES = ("word", "my word-2", "styled", "second", "unnamed", "wordy")


def test_words_that_are_here_go_with_the_job(house: Any) -> None:
    for name in NAMES:
        write_tensors(house.data_dir / f"embeddings/{name}.safetensors", {"emb_params": (1, 8)})
    (house.data_dir / "styles.csv").write_text("name,prompt,negative_prompt\nold,,(styled:1.2)\n")
    house.registry.refresh()
    body = SMALL | {
        "prompt": "a Word, by MY WORD-2, nowhere", "styles": ["old", "none such"],
        "enable_hr": True, "hr_scale": 1, "denoising_strength": 0.5, "hr_negative_prompt": "second",
    }  # fmt: skip
    assert house.txt2img(body).status_code == 200
    assert house.jobs[-1].request.embeddings == ("my word-2", "second", "styled", "word")
    assert house.txt2img(SMALL | {"prompt": "a house"}).status_code == 200
    assert house.jobs[-1].request.embeddings == ()
