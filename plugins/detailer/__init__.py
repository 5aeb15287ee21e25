"""The detailer: inpaints detected regions of a picture (faces) at full resolution."""
