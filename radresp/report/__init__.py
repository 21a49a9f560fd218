"""Pages and pictures made from nouns. Returns text and bytes; writing them is io's job."""

from radresp.report.page import case_page
from radresp.report.pictures import contour_png

__all__ = ["case_page", "contour_png"]
