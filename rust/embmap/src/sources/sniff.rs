//! Files that would be misread as text, told by their first bytes.

/// What `head` is, where it is not text, and what to do about it.
pub(crate) fn foreign(head: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let text = head.trim_ascii_start();
    let tag = |name: &[u8]| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    if starts(&crate::format::MAGIC) {
        Some("this is an embmap store already: embmap.open() opens it")
    } else if starts(b"7z\xbc\xaf\x27\x1c") || starts(b"Rar!") || starts(b"\x1f\x9d") {
        Some("this is an archive of a kind that embmap does not read (7z, RAR, compress): unpack it first")
    } else if starts(b"\xff\xfe") || starts(b"\xfe\xff") {
        Some("this is UTF-16 text: save it as UTF-8 first")
    } else if starts(b"version https://git-lfs") {
        Some("this is a Git LFS pointer, not the file it stands for: run `git lfs pull`")
    } else if tag(b"<!doctype html") || tag(b"<html") {
        Some("this is a web page, saved in place of the file: download it again")
    } else {
        None
    }
}

/// What a file is whose first lines are no vectors and hold a NUL, as a word of text vectors may, but prose does not.
pub(crate) fn binary(head: &[u8]) -> Option<&'static str> {
    let what = "this is a binary file, not text vectors (GloVe, word2vec or fastText text)";
    memchr::memchr(0, head).map(|_| what)
}
