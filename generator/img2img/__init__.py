"""What img2img starts from: initial images, inpainting masks, concatenated conditioning."""
