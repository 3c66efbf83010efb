"""The HTML pages of a book without problems."""

from collections.abc import Iterable

from fascicle.blocks import Code as CodeBlock
from fascicle.blocks import Figure, Heading, Items, Note, Paragraph, Text
from fascicle.book import Book, Chapter, Target, texts_of
from fascicle.inline import Code, Mark, Part, Plain, Reference, Styled, Term, every

HEAD = ["<!DOCTYPE html>", '<meta charset="utf-8">']


def pages_of(book: Book) -> dict[str, str]:
    """All pages by their names."""
    pages = {chapter.page: _chapter(book, place) for place, chapter in enumerate(book.chapters)}
    pages["contents.html"] = _contents(book)
    pages["index.html"] = _index(book)
    return pages


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _page(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in [*HEAD, *lines])


def _title(chapter: Chapter) -> str:
    return f"{chapter.number} {escaped(chapter.headings[0].title)}"


def _chapter(book: Book, place: int) -> str:
    chapter = book.chapters[place]
    links = ['<a href="contents.html">Contents</a>']
    if place > 0:
        links.insert(0, _chapter_link(book.chapters[place - 1]))
    if place + 1 < len(book.chapters):
        links.append(_chapter_link(book.chapters[place + 1]))
    lines = [f"<title>{_title(chapter)}</title>", f"<nav>{' | '.join(links)}</nav>"]
    notes: dict[str, Note] = {}
    for block in chapter.blocks:
        match block:
            case Heading(line=line, level=level, title=title):
                target = chapter.targets[line]
                lines.append(f'<h{level} id="{target.id}">{target.number} {escaped(title)}</h{level}>')
            case Figure(line=line, id=id_, caption=caption):
                lines.append(f'<figure id="{id_}">Figure {chapter.targets[line].number}: {escaped(caption)}</figure>')
            case Paragraph(text=text):
                lines.append(f"<p>{_html(book, chapter, text)}</p>")
            case Items(texts=texts):
                lines += ["<ul>", *(f"<li>{_html(book, chapter, text)}</li>" for text in texts), "</ul>"]
            case CodeBlock(text=code):
                lines.append(f"<pre>{escaped(code)}</pre>")
            case Note():
                notes[block.id] = block
    if notes:
        in_order = sorted(chapter.note_numbers.items(), key=lambda item: item[1])
        entries = [f'<li id="note:{n}">{_html(book, chapter, notes[id_].text)}</li>' for id_, n in in_order]
        lines += ["<ol>", *entries, "</ol>"]
    return _page(lines)


def _chapter_link(chapter: Chapter) -> str:
    return f'<a href="{chapter.page}">{_title(chapter)}</a>'


def _html(book: Book, chapter: Chapter, text: Text) -> str:
    return "".join(_part(book, chapter, part) for part in chapter.parts[text.places[0]])


def _part(book: Book, chapter: Chapter, part: Part) -> str:
    match part:
        case Plain(text=text) | Term(text=text):
            return escaped(text)
        case Code(text=text):
            return f"<code>{escaped(text)}</code>"
        case Styled(tag=tag, parts=parts):
            return f"<{tag}>{''.join(_part(book, chapter, inner) for inner in parts)}</{tag}>"
        case Mark(id=id_):
            number = chapter.note_numbers[id_]
            return f'<sup><a href="#note:{number}">{number}</a></sup>'
        case Reference(id=id_, text=own):
            target = book.targets[id_]
            href = f"#{id_}" if target.page == chapter.page else _href(target)
            return f'<a href="{href}">{escaped(own) if own is not None else f"{target.kind} {target.number}"}</a>'
    raise AssertionError(part)


def _href(target: Target) -> str:
    return f"{target.page}#{target.id}"


def _contents(book: Book) -> str:
    lines = ["<title>Contents</title>", "<ul>"]
    for chapter in book.chapters:
        for heading in chapter.headings:
            target = chapter.targets[heading.line]
            link = f'<a href="{_href(target)}">{target.number} {escaped(heading.title)}</a>'
            lines.append(f'<li class="level-{heading.level}">{link}</li>')
    return _page([*lines, "</ul>"])


def _index(book: Book) -> str:
    spelled: dict[str, str] = {}
    places: dict[str, list[Target]] = {}
    for chapter in book.chapters:
        under: Target | None = None
        for block in chapter.blocks:
            if isinstance(block, Heading):
                under = chapter.targets[block.line]
            for text in texts_of(block):
                for part in every(chapter.parts[text.places[0]]):
                    if isinstance(part, Term) and under is not None:
                        key = part.text.casefold()
                        spelled.setdefault(key, part.text)
                        if under not in places.setdefault(key, []):
                            places[key].append(under)
    lines = ["<title>Index</title>", "<ul>"]
    for key in sorted(places):
        links = ", ".join(f'<a href="{_href(target)}">{target.number}</a>' for target in places[key])
        lines.append(f"<li>{escaped(spelled[key])}: {links}</li>")
    return _page([*lines, "</ul>"])
