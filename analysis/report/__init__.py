"""All results of a run on one page, and learning curves of runs.

composer.py  the report: its sections in order, its files, TensorBoard
overview.py  the small table below the answers
sections.py  the text, tables and figures of each section
page.py      a page as Markdown and as one HTML file
curves.py    learning curves, as a command
"""

from analysis.report import overview
from analysis.report.composer import answers
from analysis.report.composer import compose
from analysis.report.composer import told
from analysis.report.composer import write

__all__ = ('answers', 'compose', 'overview', 'told', 'write')
