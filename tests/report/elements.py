"""The elements of an HTML page, and the text in its tables."""

import re
from html import unescape
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "input", "link", "hr", "wbr"}


class Elements(HTMLParser):
    """Collects every element's name and attributes, and fails on tags that do not match."""

    def __init__(self, html):
        super().__init__()
        self.open, self.found = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def named(self, name):
        return [attributes for tag, attributes in self.found if tag == name]


def check_self_contained(html):
    """Checks that the page loads nothing, and that references within it have their targets."""
    page = Elements(html)
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.found:
        assert tag not in ("link", "script", "iframe", "object")
        for name in ("src", "href", "xlink:href", "srcset", "data"):
            assert attributes.get(name, "#").startswith(("data:image/", "#"))
    assert {use["xlink:href"][1:] for use in page.named("use")} <= set(ids)
    assert {part.split(")")[0] for part in html.split("url(#")[1:]} <= set(ids)
    for forbidden in ("@import", "<metadata", "url(http"):
        assert forbidden not in html
    return page


def text(html):
    """Returns the text of a piece of HTML."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def table_rows(table):
    """Returns the cells of a table's body as text, by the heading of the row."""
    found = {}
    for row in table.split("<tbody>")[1].split("</tbody>")[0].split("</tr>")[:-1]:
        heading, *cells = re.split(r"<td[^>]*>", row)
        found[text(heading)] = [text(cell) for cell in cells]
    return found
