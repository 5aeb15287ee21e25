"""Draws openpose JSON as a map (contract section 1.15)."""

import base64
from typing import Annotated, NotRequired

from flask import Blueprint, Response, jsonify
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from filebrowser.pictures.decoded_size import COLOURS
from generator.control.poses import Person, draw_skeletons
from generator.pictures.picture_files import encode_picture
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.requests.fields import invalid_fields
from webapp.routes.context import read_json_body
from webapp.services import Services

MAX_POSES, MAX_PEOPLE, MAX_SIDE = 16, 64, 4096
MAX_DISTANCE = 1e5  # pixels


def check_distance(numbers: list[float]) -> list[float]:
    """Keypoints that a picture could show."""
    if not all(abs(number) <= MAX_DISTANCE for number in numbers):
        raise ValueError(f"a keypoint is farther off than {MAX_DISTANCE:g} pixels")
    return numbers


Keypoints = Annotated[list[float], Field(max_length=3 * 200), AfterValidator(check_distance)]


class PosePerson(BaseModel):
    """One person: x, y, confidence of each keypoint."""

    pose_keypoints_2d: Keypoints
    hand_right_keypoints_2d: Keypoints | None = None
    hand_left_keypoints_2d: Keypoints | None = None
    face_keypoints_2d: Keypoints | None = None


class Pose(BaseModel):
    """One picture's people."""

    people: list[PosePerson] = Field(max_length=MAX_PEOPLE)
    canvas_width: int = Field(ge=1, le=MAX_SIDE)
    canvas_height: int = Field(ge=1, le=MAX_SIDE)


Poses = Annotated[list[Pose], Field(max_length=MAX_POSES)]
POSES: TypeAdapter[list[Pose]] = TypeAdapter(Poses)


class RenderedPoses(TypedDict):
    """Maps as PNG in base64; the info alone where there is no pose."""

    images: NotRequired[list[str]]
    info: str


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("poses", __name__, url_prefix="/controlnet")

    @routes.post("/render_openpose_json")
    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote(
            "Draw openpose's keypoints",
            body=Poses,
            body_required=False,
            answer=RenderedPoses,
        )
    )
    def render() -> Response:
        """``{"images", "info"}``, PNG in base64; the info alone where there is no pose."""
        try:
            requested = POSES.validate_python(read_json_body(required=False) or [])
        except ValidationError as error:
            raise invalid_fields(error) from None
        if not requested:
            return jsonify({"info": "No pose data detected."})
        largest = max(pose.canvas_width * pose.canvas_height for pose in requested)
        with services.decoding.hold(2 * COLOURS * largest):
            return jsonify({"images": [draw_pose(pose) for pose in requested], "info": "Success"})

    return routes


def draw_pose(pose: Pose) -> str:
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
    image = draw_skeletons(people, pose.canvas_width, pose.canvas_height)
    return base64.b64encode(encode_picture(image)).decode("ascii")
