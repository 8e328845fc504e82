"""A page of text, tables and pictures: as Markdown, and as one HTML file.

The HTML file is self-contained: no network, no script. It is laid out for
desktops, phones and paper.
"""

import base64
import html
import os
import re
from typing import NamedTuple

import markdown

from dnc.system import files

# The folder of a page's pictures, beside its Markdown.
PICTURE_DIR = 'figures'

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
blockquote { margin: 1rem 0; padding: 0.3rem 1rem; background: #eef4f9;
  border-left: 4px solid #0072b2; }
figure { margin: 1rem 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
figure.drawn { display: inline-block; width: 28rem; max-width: 100%;
  vertical-align: top; }
figcaption { font-size: 0.85rem; color: #444; }
.table { overflow-x: auto; min-width: 100%; width: max-content;
  max-width: calc(100vw - 3rem); position: relative; left: 50%;
  transform: translateX(-50%); }
table { border-collapse: collapse; font-size: 0.85rem; }
th, td { padding: 0.15rem 0.6rem; border-bottom: 1px solid #ddd;
  white-space: nowrap; }
wbr { white-space: normal; }
code { overflow-wrap: anywhere; }
@media (max-width: 40rem) { th:first-child, td:first-child { position: sticky;
  left: 0; background: #fff; white-space: normal; min-width: 6rem;
  max-width: 8rem; } }
@media print { body { font-size: 10pt; max-width: none; padding: 0; }
  table { font-size: 6.5pt; } .table { max-width: 100%; }
  th, td { padding: 0.1rem 0.25rem; white-space: normal; }
  h2, h3 { break-after: avoid; } figure.drawn { width: 48%; } }
"""
_FIGURE = re.compile(
  r'<p><img alt="(?P<name>[^"]*)" src="(?P<source>[^"]*)" />\s*'
  r'<em>(?P<caption>.*?)</em></p>',
  re.DOTALL,
)
# Where a cell of a table may wrap: at its spaces, but not at those of an
# interval in brackets or of a tag. At a hyphen a browser would break t-5.
_CELL = re.compile(r'(?<=<t[dh]).*?(?=</t[dh]>)')
_WRAP = re.compile(r' (?![^\[\]]*\])(?![^<>]*>)')
_TYPES = {'.svg': 'image/svg+xml', '.png': 'image/png'}


class Picture(NamedTuple):
  """A picture of a page.

  Attributes:
    file: its name, ending in .svg or .png.
    content: the file.
    name: a short description.
    caption: a description that needs no other text; plain, without asterisks,
      which would end the emphasis.
  """

  file: str
  content: bytes
  name: str
  caption: str

  def markdown(self) -> str:
    """The picture and its caption, in Markdown."""
    if '*' in self.caption:
      raise ValueError(f'{self.file}: an asterisk in the caption')
    name, caption = (
      html.escape(text, quote=False) for text in (self.name, self.caption)
    )
    return f'![{name}]({PICTURE_DIR}/{self.file})\n*{caption}*'


def to_html(text: str, pictures: dict[str, Picture]) -> str:
  """Converts a page to one HTML file.

  Args:
    text: Markdown, with `Picture.markdown` where pictures go. The first line is
      the title.
    pictures: by file name.

  Returns:
    HTML.

  Raises:
    KeyError: if a picture is missing.
  """

  def embed(match: re.Match) -> str:
    picture = pictures[os.path.basename(match['source'])]
    ending = os.path.splitext(picture.file)[1]
    content = base64.b64encode(picture.content).decode()
    kind = 'drawn' if ending == '.svg' else 'pixels'
    return (
      f'<figure class="{kind}"><img alt="{match["name"]}" '
      f'src="data:{_TYPES[ending]};base64,{content}">'
      f'<figcaption>{match["caption"]}</figcaption></figure>'
    )

  body = markdown.markdown(text, extensions=['tables'])
  body = _FIGURE.sub(embed, body)
  body = _CELL.sub(lambda cell: _WRAP.sub(' <wbr>', cell[0]), body)
  body = body.replace('<table>', '<div class="table"><table>')
  body = body.replace('</table>', '</table></div>')
  heading = text.split('\n', 1)[0].lstrip('# ')
  return (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    f'<title>{html.escape(heading)}</title>\n<style>{_STYLE}</style>\n</head>\n'
    f'<body>\n{body}\n</body>\n</html>\n'
  )


def write(
  folder: str, name: str, text: str, pictures: dict[str, Picture]
) -> list[str]:
  """Writes a page as `<name>.md`, with its pictures, and as `<name>.html`.

  Args:
    folder: the folder; created if missing.
    name: name of the page.
    text: as in `to_html`.
    pictures: as in `to_html`.

  Returns:
    The paths of both.
  """
  for picture in pictures.values():
    path = os.path.join(folder, PICTURE_DIR, picture.file)
    with files.atomic_file(path) as file:
      file.write(picture.content)
  paths = [os.path.join(folder, f'{name}.{x}') for x in ('md', 'html')]
  files.write_text(paths[0], text)
  files.write_text(paths[1], to_html(text, pictures))
  return paths
