"""The detailer: what a detector finds in a picture is painted again at full size."""
