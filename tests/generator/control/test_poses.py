"""Skeletons: who is drawn, where, and in which colours."""

from generator.control.poses import Person, draw_skeletons, hue_at


def body(**seen: tuple[float, float]) -> list[float]:
    """18 keypoints of which only these are there, ``p5=(x, y)``."""
    numbers = [0.0] * 54
    for name, (x, y) in seen.items():
        place = int(name[1:])
        numbers[3 * place : 3 * place + 3] = [x, y, 1.0]
    return numbers


def test_joints_and_limbs_have_openposes_colours() -> None:
    image = draw_skeletons([Person(body(p1=(20, 20), p2=(60, 20)))], 80, 40)
    assert image.getpixel((20, 20)) == (255, 85, 0)  # the neck
    assert image.getpixel((60, 20)) == (255, 170, 0)  # the right shoulder
    assert image.getpixel((40, 20)) == (153, 0, 0)  # between them
    assert image.getpixel((40, 30)) == (0, 0, 0)
    assert hue_at(6, 18) == (0, 255, 0)


def test_shares_of_the_canvas_are_read_too() -> None:
    pixels = draw_skeletons([Person(body(p1=(20, 10), p2=(60, 30)))], 80, 40)
    shares = draw_skeletons([Person(body(p1=(0.25, 0.25), p2=(0.75, 0.75)))], 80, 40)
    assert pixels.tobytes() == shares.tobytes()


def test_keypoints_without_confidence_are_not_drawn() -> None:
    assert draw_skeletons([Person([20.0, 20.0, 0.0] * 18)], 40, 40).getbbox() is None
    assert draw_skeletons([], 40, 40).getbbox() is None


def test_hands_and_faces() -> None:
    wrist = [10.0, 10.0, 1.0] + [0.0] * 60
    image = draw_skeletons([Person([], [wrist], [30.0, 30.0, 1.0])], 40, 40)
    assert image.getpixel((10, 10)) == (0, 0, 255)
    assert image.getpixel((30, 30)) == (255, 255, 255)
