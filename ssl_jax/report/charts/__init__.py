"""Charts for the pages, as SVG text inside the HTML."""
