"""Openpose's JSON drawn as a map (contract section 1.15)."""

import base64
from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

from filebrowser.pictures.decoded_size import COLOURS
from generator.control.poses import Person, skeletons
from generator.pictures.saving import encode
from webapp.openapi import Note, described
from webapp.requests.fields import invalid
from webapp.routes.context import json_body, services
from webapp.scopes import Scope, allowed

poses = Blueprint("poses", __name__, url_prefix="/controlnet")

MOST_POSES, MOST_PEOPLE, LONGEST_SIDE = 16, 64, 4096
FARTHEST = 1e5  # pixels


def near(numbers: list[float]) -> list[float]:
    """Keypoints that a picture could show."""
    if not all(abs(number) <= FARTHEST for number in numbers):
        raise ValueError(f"a keypoint is farther off than {FARTHEST:g} pixels")
    return numbers


Keypoints = Annotated[list[float], Field(max_length=3 * 200), AfterValidator(near)]


class Keyed(BaseModel):
    """One person: x, y, confidence of each keypoint."""

    pose_keypoints_2d: Keypoints
    hand_right_keypoints_2d: Keypoints | None = None
    hand_left_keypoints_2d: Keypoints | None = None
    face_keypoints_2d: Keypoints | None = None


class Pose(BaseModel):
    """One picture's people."""

    people: list[Keyed] = Field(max_length=MOST_PEOPLE)
    canvas_width: int = Field(ge=1, le=LONGEST_SIDE)
    canvas_height: int = Field(ge=1, le=LONGEST_SIDE)


POSES: TypeAdapter[list[Pose]] = TypeAdapter(Annotated[list[Pose], Field(max_length=MOST_POSES)])


@poses.post("/render_openpose_json")
@allowed(Scope.GENERATE)
@described(
    Note(
        "Draw openpose's keypoints",
        body={"type": "array", "items": {"type": "object"}},
        body_required=False,
        answer={"type": "object"},
    )
)
def render() -> Response:
    """``{"images", "info"}``, PNG in base64; the info alone where there is no pose."""
    try:
        asked = POSES.validate_python(json_body(required=False) or [])
    except ValidationError as error:
        raise invalid(error) from None
    if not asked:
        return jsonify({"info": "No pose data detected."})
    largest = max(pose.canvas_width * pose.canvas_height for pose in asked)
    with services().decoding.hold(2 * COLOURS * largest):
        return jsonify({"images": [drawn(pose) for pose in asked], "info": "Success"})


def drawn(pose: Pose) -> str:
    """One map."""
    people = [
        Person(
            keyed.pose_keypoints_2d,
            [
                hand
                for hand in (keyed.hand_right_keypoints_2d, keyed.hand_left_keypoints_2d)
                if hand
            ],
            keyed.face_keypoints_2d or (),
        )
        for keyed in pose.people
    ]
    image = skeletons(people, pose.canvas_width, pose.canvas_height)
    return base64.b64encode(encode(image)).decode("ascii")
