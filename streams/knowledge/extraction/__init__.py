"""Reading text out of files that strangers made, in a process of its own that may take only so much.

The text that comes out is plain, with headings marked as in Markdown (``## Prices``) and a form feed between pages.
"""
