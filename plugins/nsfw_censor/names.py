"""Values of the censor's options. No torch: both processes import it."""

ACTIONS = ("black", "blur", "reject")
CLASSES = ("drawing", "hentai", "neutral", "porn", "sexy")

BUILT_IN, COMPVIS, NUDENET = "built-in", "CompVis", "NudeNet"
DETECTORS = (BUILT_IN, COMPVIS, NUDENET)
"""Who may judge. The last two are not shipped: their owners bring them, see
:data:`INSTALL_HINTS`.
"""

CHECKER_FOLDER = "safety_checker"  # under models/
NUDENET_FOLDER = "nudenet"

INSTALL_HINTS = {
    COMPVIS: "put config.json and model.safetensors (or pytorch_model.bin) of "
    f"CompVis/stable-diffusion-safety-checker into models/{CHECKER_FOLDER}/",
    NUDENET: "run pip install nudenet, or put an .onnx file of NudeNet into "
    f"models/{NUDENET_FOLDER}/ and run pip install onnxruntime",
}
